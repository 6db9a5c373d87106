"""Delta tables: their schemas, how they are read and written, and rows that are computed once."""
