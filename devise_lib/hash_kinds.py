"""The names of the kinds of hashes that a configuration chooses from."""

from typing import Literal

HashKind = Literal["hyperplanes", "centred", "median", "pca", "itq"]
