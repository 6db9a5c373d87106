"""From a Wikipedia dump or a user's table to ARTICLES and SENTENCES."""
