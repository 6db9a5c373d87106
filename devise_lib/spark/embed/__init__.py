"""From PHOTOS to EMBEDDINGS, each photo once per model."""
