"""DeViSE on Spark: photos placed in the space of words, and that space made searchable."""

import os

# Before anything imports TensorFlow, whose notes on the processor would come with every job; the
# workers of a job inherit it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"
