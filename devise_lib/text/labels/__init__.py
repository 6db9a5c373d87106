"""Files of labels, classes and splits, and the vectors of labels."""
