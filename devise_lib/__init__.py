"""DeViSE on Spark: embeds photos in the space of words, and makes that space searchable."""

import os

# Set before anything imports TensorFlow, which else logs notes on the processor in every job. The
# workers of a job inherit it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"
