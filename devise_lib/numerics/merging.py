"""How workers that learn apart merge: which rows at which merge, and what part of their sum.

Rows are in the order of their words' counts, the commonest first.

Source of the frequency of merges by rank: S. Ji et al., Parallelizing word2vec in shared and
distributed memory, 2016. The damping is ours.
"""

import numpy as np
from numpy.typing import NDArray

OFTEN_ROWS = 4096  # the commonest rows, which every merge covers


def rows_to_merge(merge: int, rows: int) -> int:
    """How many of the commonest rows merge number `merge`, counted from 1, covers.

    The first OFTEN_ROWS at every merge, twice as many at every second, four times as many at every
    fourth, and so on.
    """
    return min(rows, OFTEN_ROWS * (merge & -merge))


def merges_between(rows: int, merges: int) -> NDArray[np.int64]:
    """How many merges lie between two that cover a row, by row, shape (rows,).

    Args:
        rows: their number.
        merges: of a pass; its last covers all rows.
    """
    blocks = np.ceil(np.arange(1, rows + 1) / OFTEN_ROWS)
    return np.minimum(np.exp2(np.ceil(np.log2(blocks))), merges).astype(np.int64)


def damping(progress: NDArray[np.float64], workers: int) -> NDArray[np.float64]:
    """What part of the sum of `workers` changes of a row is taken, from 1 down to 1 / workers.

    Suppose that every example takes a row a small share of the way to where its words want it.
    After x such shares a worker has gone 1 - exp(-x) of the way, and so have the others: to the
    same place. One worker with the examples of all would have gone 1 - exp(-n x), and the sum of
    the changes is n times 1 - exp(-x); their ratio is the part to take. It is 1 where x is small
    (rare words: changes add up) and 1 / n where it is large (a mean of workers that have all
    arrived: adding up would overshoot n-fold).

    Args:
        progress: x by row, shape (rows,), at least 0.
        workers: n, at least 1.
    """
    x = np.maximum(progress, 1e-9)
    return np.expm1(-workers * x) / (workers * np.expm1(-x))
