"""Ratios against peers on the same work; `make bench` runs them."""
