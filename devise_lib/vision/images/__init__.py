"""Decoding of image files: from the bytes of a file to pixels, or to a refusal with its reason."""
