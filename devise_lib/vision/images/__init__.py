"""The bytes of an image file to pixels, or the reason why not."""
