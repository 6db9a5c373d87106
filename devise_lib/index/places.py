"""Where a photo lies among all photos of an index."""

import bisect
import hashlib

import numpy as np
from numpy.typing import NDArray

PLACE_BITS = 60


def place_of(photo_id: str) -> int:
    """Returns the place of a photo among all photos: the first 60 bits of its id's SHA-256.

    Rows of an index are in the order of place, and then of id. So a part of the places has about
    that part of the photos, whatever the ids are, and an id is found by bisection.
    """
    digest = hashlib.sha256(photo_id.encode()).hexdigest()
    return int(digest[: PLACE_BITS // 4], 16)


def find_id(ids: NDArray[np.bytes_], photo_id: str, start: int, stop: int) -> int | None:
    """Returns the row of a photo among rows from start up to stop, which are in order; or None."""
    wanted = place_of(photo_id), photo_id.encode()
    at = bisect.bisect_left(ids, wanted, start, stop, key=order_of)
    return at if at < stop and ids[at] == wanted[1] else None


def order_of(photo_id: np.bytes_) -> tuple[int, bytes]:
    """Returns what the rows of an index are sorted by: the place, and then the id."""
    return place_of(bytes(photo_id).decode()), bytes(photo_id)
