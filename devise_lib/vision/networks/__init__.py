"""Networks: those of the catalog, their weights, and what is kept of a trained one."""
