"""SENTENCES or a file into WORD_VECTORS, and the tests of how good these are."""
