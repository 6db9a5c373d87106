"""PHOTOS into EMBEDDINGS: each photo is embedded or refused once per model."""
