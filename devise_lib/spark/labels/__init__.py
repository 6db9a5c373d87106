"""LABELS: label sets with their vectors, and the joins and splits of photos by label."""
