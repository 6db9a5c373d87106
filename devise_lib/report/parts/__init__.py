"""Parts of the page as values for the template: search, map, bars, and what the page may carry."""
