"""Splits of photos and labels by digests of their ids, so that an id never changes its part."""

import hashlib
from collections.abc import Iterable

BUCKETS = 10_000


def is_test(photo_id: str, share: float, seed: int) -> bool:
    """Returns whether a photo belongs to the test set, which gets about `share` of all ids.

    The result depends on the arguments alone, not on the number of tasks nor on other photos.

    Args:
        photo_id: the photo's id.
        share: the part of all ids for testing, in [0, 1].
        seed: of the split.
    """
    return _digest(photo_id, seed) % BUCKETS < share * BUCKETS


def fold_of(label: str, folds: int, seed: int) -> int:
    """Returns the fold of a label, from 0 to `folds` - 1, independently of all other labels."""
    return _digest(f"label:{label}", seed) % folds


def halves(labels: Iterable[str], seed: int) -> tuple[list[str], list[str]]:
    """Splits labels into two halves by their digests; the first half gets the odd label."""
    order = sorted(labels, key=lambda label: (_digest(f"half:{label}", seed), label))
    return order[::2], order[1::2]


def _digest(text: str, seed: int) -> int:
    digest = hashlib.md5(f"{seed}:{text}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big")
