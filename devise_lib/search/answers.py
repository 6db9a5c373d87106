"""What a search found, and why: rows that are printed, written as JSON, or looked at."""

from collections.abc import Sequence
from dataclasses import dataclass, field

REASONS = 3  # that a line names
Why = tuple[tuple[str, float], ...]  # names and what each adds, how near it is, or how many


@dataclass(frozen=True)
class Hit:
    """A line of an answer.

    Attributes:
        score: how well the line fits, as the search defines it.
        photo_id: of the photo; "" where the line is no photo.
        name: of a term, a photographer or a sense; "" where the line is a photo alone.
        decision: "accepted" or "rejected"; "" where none is made.
        why: the parts of the score, or what is nearest, the greatest first.
        why_photos: photos that say why, the best first.
    """

    score: float
    photo_id: str = ""
    name: str = ""
    decision: str = ""
    why: Why = ()
    why_photos: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The answer to a search.

    Attributes:
        title: what was asked, in a line.
        hits: the best first; submissions that shall differ, and senses, in an order of their own.
        notes: what a reader must know of it, such as words that were ignored.
        asked: the photos that were asked with: ids, or paths of files.
    """

    title: str
    hits: Sequence[Hit]
    notes: Sequence[str] = field(default=())
    asked: Sequence[str] = field(default=())
