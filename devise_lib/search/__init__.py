"""What the space of words is for: tags of a photo, photos of a text."""
