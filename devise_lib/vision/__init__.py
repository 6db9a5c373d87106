"""Photos as arrays, and the networks that look at them."""
