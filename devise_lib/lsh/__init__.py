"""Random-hyperplane hashing (LSH) of vectors, with numpy alone."""
