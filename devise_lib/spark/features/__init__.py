"""FEATURES: labelled photos after the backbone, with their sums and their folds."""
