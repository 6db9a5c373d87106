"""Word vectors: reading and writing files of them, training with gensim, and quality tests."""
