"""From SENTENCES or a file to WORD_VECTORS, and what tells how good these are."""
