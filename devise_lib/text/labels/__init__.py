"""Files that name labels and classes, and the vectors of labels."""
