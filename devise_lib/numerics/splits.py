"""Which photos and labels a model trains on: by digests of ids, so that it never changes."""

import hashlib
from collections.abc import Iterable

BUCKETS = 10_000


def is_test(photo_id: str, share: float, seed: int) -> bool:
    """Whether a photo is kept for testing; about `share` of all ids, the same on every run.

    It depends on nothing but its arguments: not on the number of tasks, nor on other photos.
    """
    return _digest(photo_id, seed) % BUCKETS < share * BUCKETS


def validation_labels(labels: Iterable[str], share: float, seed: int) -> list[str]:
    """Seen labels that play the unseen ones while settings are chosen, sorted.

    The nearest whole number to `share` of them, those of the least digests: a label that comes or
    goes changes the choice by one label at most.
    """
    by_digest = sorted(set(labels), key=lambda label: (_digest(f"label:{label}", seed), label))
    return sorted(by_digest[: round(share * len(by_digest))])


def _digest(text: str, seed: int) -> int:
    digest = hashlib.md5(f"{seed}:{text}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big")
