"""Collects what the report and the embedding projector show."""
