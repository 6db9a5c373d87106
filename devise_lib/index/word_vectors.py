"""The labels and words that a bundle carries, to search by."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.index.manifest import WORD_VECTORS_FILE, WORDS_FILE
from devise_lib.numerics.vectors import l2_normalize


def mean_of_words(folder: Path, words: Sequence[str]) -> NDArray[np.float32]:
    """Returns the unit mean (d,) of the vectors of some words.

    Args:
        folder: of the bundle.
        words: at least one.

    Raises:
        InputError: the bundle lacks one of the words.
    """
    known = (folder / WORDS_FILE).read_text(encoding="utf-8").splitlines()
    places = {word: place for place, word in reversed(list(enumerate(known)))}
    missing = [word for word in words if word not in places]
    if missing or not words:
        raise InputError(
            f"{folder} has no vector of {', '.join(missing) or 'no word at all'}; want words of "
            f"{WORDS_FILE}"
        )
    vectors = np.load(folder / WORD_VECTORS_FILE, mmap_mode="r")
    rows = np.stack([vectors[places[word]] for word in words])
    return l2_normalize(rows.mean(axis=0, keepdims=True))[0]
