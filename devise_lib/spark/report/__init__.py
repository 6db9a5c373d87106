"""What the report and the embedding projector show."""
