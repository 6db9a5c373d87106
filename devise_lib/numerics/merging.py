"""Merging of word vectors that several workers train apart from one another.

The module says which rows a merge covers and what part of the workers' summed changes it applies.
Rows are ordered by word count, the most frequent word first.

Source of the merge frequency by rank: S. Ji et al., Parallelizing word2vec in shared and
distributed memory, 2016. The damping is this project's own.
"""

import numpy as np
from numpy.typing import NDArray

OFTEN_ROWS = 4096  # rows of the most frequent words, which every merge covers


def rows_to_merge(merge: int, rows: int) -> int:
    """Returns how many rows, from the most frequent word on, a merge covers.

    Every merge covers the first OFTEN_ROWS rows, every second one twice as many, every fourth one
    four times as many, and so on.

    Args:
        merge: the number of the merge, counted from 1.
        rows: the number of all rows.
    """
    return min(rows, OFTEN_ROWS * (merge & -merge))


def merges_between(rows: int, merges: int) -> NDArray[np.int64]:
    """Returns for each row how many merges lie between two that cover the row, shape (rows,).

    Args:
        rows: the number of rows.
        merges: the number of merges per pass; the last merge of a pass covers all rows.
    """
    blocks = np.ceil(np.arange(1, rows + 1) / OFTEN_ROWS)
    return np.minimum(np.exp2(np.ceil(np.log2(blocks))), merges).astype(np.int64)


def damping(progress: NDArray[np.float64], workers: int) -> NDArray[np.float64]:
    """Returns the part of the sum of the workers' changes to apply, from 1 down to 1 / workers.

    The model: every example moves a row by a small share of the distance to its target. After x
    such shares, each worker has covered 1 - exp(-x) of the distance, towards the same target. One
    worker with the examples of all would have covered 1 - exp(-n x). The sum of the changes is n
    times 1 - exp(-x), and the ratio of the two is the part to apply.

    - For small x (rare words) the ratio is 1: the changes add up.
    - For large x the ratio is 1 / n: every worker has reached the target, and the sum would
      overshoot n-fold, so the mean is right.

    Args:
        progress: x per row, any shape, at least 0.
        workers: n, at least 1.

    Returns:
        The ratios, in the shape of `progress`.
    """
    x = np.maximum(progress, 1e-9)
    return np.expm1(-workers * x) / (workers * np.expm1(-x))
