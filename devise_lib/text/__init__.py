"""Text processing without Spark, from a Wikipedia dump to word vectors and label vectors."""
