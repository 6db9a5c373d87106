"""How many inverted lists an index of n vectors gets."""

import math

MIN_POINTS_PER_LIST = 39  # below it faiss warns that centroids are badly placed

# (vectors from, lists): above a million, the sizes that the faiss guidelines give.
LARGE = ((100_000_000, 1_048_576), (10_000_000, 262_144), (1_000_000, 65_536))


def choose_nlist(n: int, n_train: int) -> int:
    """The number of inverted lists for n vectors, as far as the training vectors allow.

    4 sqrt(n) below a million vectors, then 65,536 to 10 million, 262,144 to 100 million and
    1,048,576 beyond; never more than one list for 39 training vectors, so that many vectors
    with a small training sample get fewer lists than they could use: 2.6 million training
    vectors are the least for 65,536 lists.

    Args:
        n: vectors in the index.
        n_train: vectors that the centroids are trained on.

    Returns:
        At least 1: an index of one list searches everything.

    Raises:
        ValueError: there is nothing to train on.

    Source: the faiss wiki, Guidelines to choose an index.
    """
    if n < 1 or n_train < 1:
        raise ValueError(f"want at least one vector to train on; got n {n}, n_train {n_train}")
    wanted = next((nlist for least, nlist in LARGE if n >= least), int(4 * math.sqrt(n)))
    return max(1, min(wanted, n_train // MIN_POINTS_PER_LIST))
