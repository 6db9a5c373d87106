"""Which photos and labels a model trains on: by digests of ids, so that it never changes."""

import hashlib
from collections.abc import Iterable

BUCKETS = 10_000


def is_test(photo_id: str, share: float, seed: int) -> bool:
    """Whether a photo is kept for testing; about `share` of all ids, the same on every run.

    It depends on nothing but its arguments: not on the number of tasks, nor on other photos.
    """
    return _digest(photo_id, seed) % BUCKETS < share * BUCKETS


def fold_of(label: str, folds: int, seed: int) -> int:
    """Which part of the labels, from 0, this one belongs to: no other label changes it."""
    return _digest(f"label:{label}", seed) % folds


def halves(labels: Iterable[str], seed: int) -> tuple[list[str], list[str]]:
    """The labels in two halves, by their digests; the first has one more of an odd number."""
    order = sorted(labels, key=lambda label: (_digest(f"half:{label}", seed), label))
    return order[::2], order[1::2]


def _digest(text: str, seed: int) -> int:
    digest = hashlib.md5(f"{seed}:{text}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big")
