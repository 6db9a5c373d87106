"""Which photos a model trains on: by a digest of the id, so that it never changes."""

import hashlib

BUCKETS = 10_000


def is_test(photo_id: str, share: float, seed: int) -> bool:
    """Whether a photo is kept for testing; about `share` of all ids, the same on every run.

    It depends on nothing but its arguments: not on the number of tasks, nor on other photos.
    """
    digest = hashlib.md5(f"{seed}:{photo_id}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS < share * BUCKETS
