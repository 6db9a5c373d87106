"""Benchmarks: speed ratios against peers on the same work; `make bench` runs them."""
