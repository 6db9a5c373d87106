"""LABELS: label sets with their vectors, and how photos are joined with them and split."""
