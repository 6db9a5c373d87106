"""The search index: FAISS, the bundle of files that holds it, and the choice of its search
effort.
"""
