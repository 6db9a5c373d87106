"""Wikipedia dumps: dividing them into byte ranges, parsing pages, and extracting their text."""
