"""A Wikipedia dump or a user's table into ARTICLES and SENTENCES."""
