"""Damage in a dump: the damaged bytes, and the pages around them."""

from dataclasses import dataclass, replace

from devise_lib.errors import InputError
from devise_lib.text.wikipedia.dump_xml import Page
from devise_lib.text.wikipedia.streams import Reason

REMEDY = (
    "fetch the dump again and compare its checksum, or set parse_wikipedia.damaged=refuse to leave "
    "out what is damaged"
)


@dataclass(frozen=True, slots=True)
class PageName:
    """The id and the title of a page."""

    page_id: str
    title: str

    @classmethod
    def of(cls, page: Page) -> "PageName":
        return cls(page.page_id, page.title)

    def __str__(self) -> str:
        return f"{self.title!r}, id {self.page_id}"


@dataclass(frozen=True, slots=True)
class Damage:
    """A part of a dump that cannot be read.

    Attributes:
        path: the dump file.
        start: the first byte of the damaged bz2 stream, or in plain XML of the damaged page.
        stop: the byte from which reading continued, or the end of the range.
        fault: how far the file had been read when the damage was found.
        reason: the kind of damage.
        message: what was wrong.
        last_page: the last whole page before it in its range; None if there is none.
        first_page: the first whole page after it in its range; None if there is none.
        pages_lost: the number of lost pages by the index; None without an index.
    """

    path: str
    start: int
    stop: int
    fault: int
    reason: Reason
    message: str
    last_page: PageName | None
    first_page: PageName | None = None
    pages_lost: int | None = None


class DumpDamagedError(InputError):
    """A dump is cut off or broken; raised after every whole page before the damage was yielded.

    Attributes:
        damage: the damaged part.
    """

    def __init__(self, damage: Damage) -> None:
        self.damage = damage
        before, after = (page or "none" for page in (damage.last_page, damage.first_page))
        super().__init__(
            f"{damage.path}: damaged from byte {damage.start} on, found at byte {damage.fault} "
            f"({damage.reason}; last whole page before it in its range: {before}; first one after "
            f"it: {after}): {damage.message}; {REMEDY}"
        )

    def __reduce__(self) -> tuple[object, ...]:
        # Pickle would call __init__ with the message by default. It takes a Damage, so the error
        # could not be sent from a worker to the driver.
        return DumpDamagedError, (self.damage,)


def with_pages_lost(damages: list[Damage], pages_lost: int) -> list[Damage]:
    """Adds the number of lost pages, by the index, to the damages of one range.

    The index counts the pages of the range as a whole, so several damages share one number.
    """
    if len(damages) == 1:
        return [replace(damages[0], pages_lost=pages_lost)]
    shared = f"; with the other damage of its range {pages_lost} pages are lost"
    return [replace(damage, message=damage.message + shared) for damage in damages]
