"""The zero-shot tables: the methods, the ranks of test photos' labels, and METRICS."""
