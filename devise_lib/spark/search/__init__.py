"""Index bundles, LSH signatures, NEIGHBOURS and PREDICTIONS."""
