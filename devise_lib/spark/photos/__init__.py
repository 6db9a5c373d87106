"""The bytes of photos on the workers: reading, decoding, and networks over them."""
