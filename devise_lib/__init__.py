"""DeViSE on Spark: photos placed in the space of words, and that space made searchable."""

__version__ = "0.1.0"
