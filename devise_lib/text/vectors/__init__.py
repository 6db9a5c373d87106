"""Word vectors: files of them, their training with gensim, and tests of how good they are."""
