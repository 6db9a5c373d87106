"""What is damaged in a dump: which bytes, and the pages around them."""

from dataclasses import dataclass, replace

from devise_lib.errors import InputError
from devise_lib.text.wikipedia.dump_xml import Page
from devise_lib.text.wikipedia.streams import Reason

MEND = (
    "fetch the dump again and compare its checksum, or set parse_wikipedia.damaged=refuse to leave "
    "out what is damaged"
)


@dataclass(frozen=True, slots=True)
class PageName:
    """A page by its id and title."""

    page_id: str
    title: str

    @classmethod
    def of(cls, page: Page) -> "PageName":
        return cls(page.page_id, page.title)

    def __str__(self) -> str:
        return f"{self.title!r}, id {self.page_id}"


@dataclass(frozen=True, slots=True)
class Damage:
    """A piece of a dump that cannot be read.

    Attributes:
        path: the dump file.
        start: first byte of the damaged bz2 stream, or in plain XML of the damaged page.
        stop: the byte from which reading went on, or the end of the range.
        fault: how far the file had been read when the damage showed.
        reason: what kind of damage it is.
        message: what was wrong.
        last_page: the last whole page before it in its range; None if there is none.
        first_page: the first whole page after it in its range; None if there is none.
        pages_lost: by the index; None without one.
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
    """A dump ends or breaks off inside; every whole page before that has been given.

    Attributes:
        damage: where and how.
    """

    def __init__(self, damage: Damage) -> None:
        self.damage = damage
        before, after = (page or "none" for page in (damage.last_page, damage.first_page))
        super().__init__(
            f"{damage.path}: damaged from byte {damage.start} on, seen at {damage.fault} "
            f"({damage.reason}; last whole page before it in its range: {before}; first one after "
            f"it: {after}): {damage.message}; {MEND}"
        )

    def __reduce__(self) -> tuple[object, ...]:
        # By default the message would be given back to __init__, which takes a Damage, and the
        # error could not travel from a worker to the driver.
        return DumpDamagedError, (self.damage,)


def with_pages_lost(damages: list[Damage], pages_lost: int) -> list[Damage]:
    """The damages of one range, told how many of its pages are lost by the index.

    The index counts for the range as a whole, so several damages share one figure.
    """
    if len(damages) == 1:
        return [replace(damages[0], pages_lost=pages_lost)]
    shared = f"; with the other damage of its range {pages_lost} pages are lost"
    return [replace(damage, message=damage.message + shared) for damage in damages]
