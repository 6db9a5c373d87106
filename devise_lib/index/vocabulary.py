"""The labels and words that a bundle carries, to search by, and to say what a vector means."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.index.manifest import WORD_VECTORS_FILE, WORDS_FILE
from devise_lib.numerics.retrieval import top_k
from devise_lib.numerics.vectors import FloatArray, l2_normalize

SPELLINGS = 3  # known words that an error suggests


class Vocabulary(Mapping[str, NDArray[np.float32]]):
    """Names and their unit vectors: labels first, by name, then words, the commonest first.

    A name is found as it is written, else in small letters with _ for blanks, else by its letters
    and digits alone: "st_bernard" is found as "St. Bernard".
    """

    def __init__(
        self, names: Sequence[str], vectors: NDArray[np.float32], labels: int, place: str
    ) -> None:
        """Takes names and vectors.

        Args:
            names: n labels and words.
            vectors: (n, d), unit L2 norm.
            labels: how many of the first names are labels.
            place: where they come from, for errors.
        """
        self.names, self.vectors, self.labels, self._place = names, vectors, labels, place
        self._rows: dict[str, int] = {}
        for spell in (str, _key, _bare_key):  # The strictest spelling of a name wins.
            for row, name in enumerate(names):
                self._rows.setdefault(spell(name), row)

    @classmethod
    def open(cls, folder: Path, labels: int = 0) -> "Vocabulary":
        """Reads the words of a bundle; their vectors stay on the disk until they are needed."""
        names = (folder / WORDS_FILE).read_text(encoding="utf-8").splitlines()
        vectors = np.load(folder / WORD_VECTORS_FILE, mmap_mode="r")
        return cls(names, vectors, labels, str(folder))

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        """Returns the unit vector (d,) of a name."""
        return np.asarray(self.vectors[self._row(name)])

    def __iter__(self) -> Iterator[str]:
        """Goes over the names."""
        return iter(self.names)

    def __len__(self) -> int:
        """Returns the number of names."""
        return len(self.names)

    def mean(self, names: Sequence[str]) -> NDArray[np.float32]:
        """Returns the unit mean (d,) of the vectors of some names.

        Raises:
            InputError: one of the names is unknown, or there is none.
        """
        self.require(names)
        rows = np.stack([self[name] for name in names])
        return l2_normalize(rows.mean(axis=0, keepdims=True))[0]

    def require(self, names: Sequence[str]) -> None:
        """Raises InputError, with known names that are spelt alike, if one is not known."""
        missing = [name for name in names if name not in self]
        if names and not missing:
            return
        near = [spelling for name in missing for spelling in self.spelt_like(name)]
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise InputError(
            f"{self._place} has no vector of {', '.join(missing) or 'no word at all'}; want words "
            f"of {WORDS_FILE}{hint}"
        )

    def spelt_like(self, name: str) -> list[str]:
        """Returns some known names that are spelt like an unknown one, the most alike first."""
        key = _key(name)
        alike = [other for other in self._rows if other[:1] == key[:1]]  # a fraction of the time
        return difflib.get_close_matches(key, alike, SPELLINGS) or difflib.get_close_matches(
            key, self._rows, SPELLINGS
        )

    def nearest(
        self, queries: FloatArray, k: int, only_labels: bool = False
    ) -> list[list[tuple[str, float]]]:
        """Returns for each query (q, d) the k nearest names with their cosines, the best first."""
        stop = self.labels if only_labels else len(self.names)
        rows, scores = top_k(np.asarray(queries, np.float32), self.vectors[:stop], k)
        return [
            [(self.names[row], float(score)) for row, score in zip(*pair, strict=True)]
            for pair in zip(rows.tolist(), scores.tolist(), strict=True)
        ]

    def _row(self, name: str) -> int:
        spellings = (self._rows.get(spell(name)) for spell in (str, _key, _bare_key))
        row = next((row for row in spellings if row is not None), None)
        if row is None:
            raise KeyError(name)
        return row

    def __contains__(self, name: object) -> bool:
        """Returns whether a name is known."""
        spelt = (spell(name) for spell in (str, _key, _bare_key) if isinstance(name, str))
        return any(spelling in self._rows for spelling in spelt)


def _key(name: str) -> str:
    return "_".join(name.casefold().split())


def _bare_key(name: str) -> str:
    """Returns the letters and digits of a name, joined by _; all of it if it has none."""
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_") or _key(name)
