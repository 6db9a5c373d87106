"""Search and tags: index bundles, LSH signatures, NEIGHBOURS and PREDICTIONS."""
