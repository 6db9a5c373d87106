"""Photos on the workers: reading and decoding their bytes, and running networks over them."""
