"""Searches in the space of words: tags of a photo, and photos for a text."""
