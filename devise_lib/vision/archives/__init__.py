"""Archives of photos, read as they stand: tars, and CIFAR's records."""
