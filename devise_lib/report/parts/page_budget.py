"""How much a page may carry, so that it stays under 2 MB."""

from collections.abc import Callable
from dataclasses import dataclass

MAX_BYTES = 2_000_000  # of the whole page


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one attempt to make the page may use.

    Attributes:
        picture_side: pixels of a picture in the galleries.
        tile_side: pixels of a picture that only a search or the map shows.
        quality: of the pictures, as WebP counts it, from 0 to 100.
        words: the most words to search by.
        all_tables: whether the folded tables of methods are on the page.
    """

    picture_side: int
    tile_side: int
    quality: int
    words: int
    all_tables: bool = True


ALLOWANCES = (  # from the richest page to the poorest
    Allowance(224, 112, 70, 4_000),
    Allowance(224, 96, 60, 4_000),
    Allowance(208, 96, 55, 3_000),
    Allowance(192, 80, 55, 3_000),
    Allowance(176, 72, 50, 2_500),
    Allowance(160, 64, 50, 2_000),
    Allowance(144, 56, 45, 1_500),
    Allowance(128, 48, 40, 1_000),
    Allowance(112, 40, 35, 500),
    Allowance(96, 32, 25, 250),
    Allowance(64, 24, 15, 100),
    Allowance(64, 24, 15, 100, all_tables=False),
    Allowance(40, 16, 5, 100, all_tables=False),
)


def fit_page(make: Callable[[Allowance], str], max_bytes: int = MAX_BYTES) -> str:
    """Return the page of the richest allowance that fits; that of the poorest if none does.

    The richest allowance is tried first, and then halves of the others, because making a page takes
    a second.

    Args:
        make: makes the page within an allowance. A poorer allowance makes a smaller page.
        max_bytes: of the page in UTF-8.
    """
    page = make(ALLOWANCES[0])
    if len(page.encode()) <= max_bytes:
        return page
    low, high = 1, len(ALLOWANCES) - 1  # the richest that fits is between, if one fits
    page = ""
    while low < high:
        middle = (low + high) // 2
        tried = make(ALLOWANCES[middle])
        if len(tried.encode()) <= max_bytes:
            high, page = middle, tried
        else:
            low = middle + 1
    return page or make(ALLOWANCES[high])
