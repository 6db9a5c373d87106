"""Photos as arrays, and the networks that compute features from them."""
