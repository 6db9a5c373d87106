"""LSH forest on one machine: candidates by the longest common prefix of their codes.

Source: M. Bawa, T. Condie and P. Ganesan, LSH forest: self-tuning indexes for similarity search,
WWW 2005, section 3. Sorted codes stand for the prefix trees: a prefix is a range of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Forest:
    """Sorted codes of vectors in several hash tables.

    Attributes:
        codes: (tables, n), rising in each table.
        rows: (tables, n), the row of the vector that has each code.
        bits: of a code.
    """

    codes: NDArray[np.int64]
    rows: NDArray[np.int64]
    bits: int

    @classmethod
    def of(cls, codes: NDArray[np.int64], bits: int) -> "Forest":
        """Sorts the codes (n, tables) of vectors, as `Hash.codes` returns them."""
        rows = np.argsort(codes.T, axis=1, kind="stable")
        return cls(np.take_along_axis(codes.T, rows, axis=1), rows, bits)

    def candidates(self, query: NDArray[np.int64], least: int) -> NDArray[np.int64]:
        """Returns the rows of vectors that share the longest prefixes with a query, rising.

        Prefixes are shortened by one bit at a time, in all tables at once, until there are enough
        candidates. A prefix of no bits holds all vectors. So there are min(least, n) or more, and
        whatever shares a bucket with the query is among them.

        Args:
            query: (tables,), its codes.
            least: the number of candidates that is wanted, at least 1.
        """
        found = np.empty(0, np.int64)
        for depth in range(self.bits, -1, -1):
            shift = self.bits - depth
            pieces = []
            for codes, rows, code in zip(self.codes, self.rows, query.tolist(), strict=True):
                low = (code >> shift) << shift
                first = np.searchsorted(codes, low)
                end = np.searchsorted(codes, low + (1 << shift))
                pieces.append(rows[first:end])
            found = np.unique(np.concatenate(pieces))
            if len(found) >= least:
                break
        return found
