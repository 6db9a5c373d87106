"""Delta tables: their schemas, how they are read and written, and what is computed once."""
