"""Networks: the ones of the catalog, their weights, and the files of trained ones."""
