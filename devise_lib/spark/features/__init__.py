"""FEATURES: labelled photos through a backbone, their moments and their folds."""
