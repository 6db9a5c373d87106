"""Where a photo lies among all photos of an index."""

import hashlib

PLACE_BITS = 60


def place_of(photo_id: str) -> int:
    """Returns the place of a photo among all photos: the first 60 bits of its id's SHA-256.

    Rows of an index are in the order of place, and then of id. So a part of the places has about
    that part of the photos, whatever the ids are, and an id is found by bisection.
    """
    digest = hashlib.sha256(photo_id.encode()).hexdigest()
    return int(digest[: PLACE_BITS // 4], 16)
