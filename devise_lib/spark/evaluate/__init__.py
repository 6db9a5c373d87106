"""The zero-shot tables: methods, the photos that ask, METRICS."""
