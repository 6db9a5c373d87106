"""From a Wikipedia dump to word vectors and label vectors; no Spark here."""
