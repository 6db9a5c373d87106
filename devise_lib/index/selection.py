"""Which rows of a bundle a search may find."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from devise_lib.index.manifest import Manifest


class Selector:
    """The rows of a segment that may be found. faiss reads the bits, and keeps no copy."""

    def __init__(self, allowed: NDArray[np.bool_]) -> None:
        """Takes a boolean for each row of the segment."""
        self._bits = np.packbits(allowed, bitorder="little")
        self.faiss: Any = faiss.IDSelectorBitmap(self._bits)


@dataclass(frozen=True)
class Among:
    """A filter of searches in one bundle.

    Attributes:
        share: of all photos, that may be found.
        count: the number of photos that may be found.
        selectors: of each segment.
    """

    share: float
    count: int
    selectors: Sequence[Selector | None]


def selectors(allowed: NDArray[np.bool_], manifest: Manifest) -> list[Selector | None]:
    """Returns what may be found in each segment, from a boolean for each row of the bundle."""
    return [
        Selector(allowed[segment.first_row : segment.first_row + segment.rows])
        for segment in manifest.segments
    ]
