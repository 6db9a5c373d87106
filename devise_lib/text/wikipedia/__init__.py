"""Wikipedia's dumps: cut into ranges of bytes, their pages, and the text of a page."""
