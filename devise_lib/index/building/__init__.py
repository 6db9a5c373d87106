"""Building an index: training, shards, merging by ranges of lists, and the choice of settings."""
