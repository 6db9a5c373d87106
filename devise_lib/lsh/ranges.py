"""Ranges of codes that hold about equally many vectors: prefixes that are long where it is dense.

Source: M. Bawa, T. Condie and P. Ganesan, LSH forest, WWW 2005. A prefix tree of the codes goes
deeper where many vectors lie. Its leaves, in the order of codes, are ranges.
"""

import numpy as np
from numpy.typing import NDArray


def code_ranges(
    codes: NDArray[np.int64], counts: NDArray[np.int64], bits: int, least: int, most: int
) -> NDArray[np.int64]:
    """Returns the first code of each range, rising; the first range begins at 0.

    All codes are covered, and a code is in one range. A range holds at least `least` vectors if all
    codes together do. It holds at most `most` + 2 `least` vectors, where no single code has more
    than `most`.

    Args:
        codes: (m,), distinct, rising, in [0, 2^bits).
        counts: (m,), the number of vectors of each code, at least 1.
        bits: of a code, at least 1.
        least: vectors of a range, at least 1.
        most: vectors of a range, at least `least`, above which it is split at the next bit.
    """
    below = np.concatenate([[0], np.cumsum(counts)])  # vectors before code i
    starts = [0]
    # (first and end place in `codes`, first code, bits of the prefix), the lowest codes on top
    nodes = [(0, len(codes), 0, 0)]
    while nodes:
        first, end, code, depth = nodes.pop()
        if depth == bits or end - first <= 1 or below[end] - below[first] <= most:
            if end > first and code:
                starts.append(code)
            continue
        middle_code = code + (1 << (bits - depth - 1))
        middle = first + int(np.searchsorted(codes[first:end], middle_code))
        nodes.append((middle, end, middle_code, depth + 1))
        nodes.append((first, middle, code, depth + 1))
    return _merged(np.array(starts, np.int64), codes, below, least, most)


def _merged(
    starts: NDArray[np.int64],
    codes: NDArray[np.int64],
    below: NDArray[np.int64],
    least: int,
    most: int,
) -> NDArray[np.int64]:
    """Returns the ranges, with those of too few vectors joined to the neighbour of nearer codes."""
    sizes = np.diff(below[np.append(np.searchsorted(codes, starts), len(codes))]).tolist()
    kept, held = [int(starts[0])], [sizes[0]]
    for at in range(1, len(starts)):
        start, size = int(starts[at]), sizes[at]
        following = int(starts[at + 1]) if at + 1 < len(starts) else None
        joins = size < least and held[-1] + size <= most
        if held[-1] < least or (joins and not _is_nearer(kept[-1], start, following)):
            held[-1] += size
        else:
            kept.append(start)
            held.append(size)
    if len(kept) > 1 and held[-1] < least:
        kept.pop()
    return np.array(kept, np.int64)


def _is_nearer(before: int, start: int, following: int | None) -> bool:
    """Whether a range shares a longer prefix with the next range than with the one before."""
    return following is not None and (start ^ following) < (before ^ start)


def range_of(starts: NDArray[np.int64], codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the number of the range of each code."""
    return np.searchsorted(starts, codes, side="right") - 1
