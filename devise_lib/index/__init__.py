"""The search index: faiss, the bundle that holds it, the choice of its search effort."""
