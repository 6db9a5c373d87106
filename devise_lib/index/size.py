"""Chooses the number of inverted lists of an index."""

import math

MIN_POINTS_PER_LIST = 39  # with fewer, faiss warns that centroids are badly placed

# (least number of vectors, lists), from a million vectors on, by the faiss guidelines.
LARGE = ((100_000_000, 1_048_576), (10_000_000, 262_144), (1_000_000, 65_536))


def choose_nlist(n: int, n_train: int) -> int:
    """Returns the number of inverted lists for n vectors, as far as the training vectors allow.

    | vectors | lists |
    | below 1 million | 4 sqrt(n) |
    | from 1 million | 65,536 |
    | from 10 million | 262,144 |
    | from 100 million | 1,048,576 |

    There is never more than one list per 39 training vectors. A small training sample therefore
    limits the lists: 65,536 lists need at least 2.6 million training vectors.

    Args:
        n: vectors in the index.
        n_train: vectors that the centroids are trained on.

    Returns:
        At least 1. A search of an index with one list covers all vectors.

    Raises:
        ValueError: there is nothing to train on.

    Source: the faiss wiki, Guidelines to choose an index.
    """
    if n < 1 or n_train < 1:
        raise ValueError(f"want at least one vector to train on; got n {n}, n_train {n_train}")
    wanted = next((nlist for least, nlist in LARGE if n >= least), int(4 * math.sqrt(n)))
    return max(1, min(wanted, n_train // MIN_POINTS_PER_LIST))
