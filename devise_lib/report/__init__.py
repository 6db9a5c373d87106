"""The HTML page of a run, its plots, and the files of the embedding projector.

The package takes plain values. It reads no table and needs no Spark.
"""
