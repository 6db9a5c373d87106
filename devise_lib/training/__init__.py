"""Training: the feed, the loss, the projection, and one loop for every rank."""
