"""Bar charts of the page: buckets, refused files and jobs."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from devise_lib.console import clock
from devise_lib.report.content import JobTime, Refused
from devise_lib.report.search_content import HashTable


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar with its name and its value in words.

    Attributes:
        note: below the name.
        extra: below the value.
        share: of the longest bar, in [0, 1].
    """

    name: str
    note: str
    value: str
    extra: str
    share: float


def count(number: float) -> str:
    """A number rounded to a whole one, with separators of thousands."""
    return f"{round(number):,}"


def duration(seconds: float) -> str:
    """A time as seconds, as minutes and seconds, or as hours and minutes."""
    return f"{seconds:.1f} s" if seconds < 60 else clock(round(seconds))


def price(amount: float) -> str:
    """An amount of money with as many digits as a small one needs."""
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:.4f}"


def bucket_bars(tables: Sequence[HashTable], photos: int) -> list[Bar]:
    """A bar for each hash table: with how many photos a random photo is compared."""
    longest = max((table.candidates for table in tables), default=0.0)
    return [
        Bar(
            f"hash table {table.number}",
            "",
            f"{count(table.candidates)} photos",
            f"{unevenness(table, photos):.1f} times equal buckets",
            _share(table.candidates, longest),
        )
        for table in tables
    ]


def unevenness(table: HashTable, photos: int) -> float:
    """How many times more photos a photo is compared with than in equally full buckets.

    Args:
        table: whose possible entropy tells the number of equally full buckets.
        photos: in all buckets.
    """
    equal = max(1.0, photos / 2**table.possible_entropy)
    return table.candidates / equal


def reason_bars(quarantine: Sequence[Refused]) -> list[Bar]:
    """A bar for each reason with its number of files, the most frequent reason first."""
    files: dict[str, int] = defaultdict(int)
    stages: dict[str, list[str]] = defaultdict(list)
    for row in quarantine:
        files[row.reason] += row.count
        if row.stage not in stages[row.reason]:
            stages[row.reason].append(row.stage)
    order = sorted(files, key=lambda reason: (-files[reason], reason))
    longest = max(files.values(), default=0)
    return [
        Bar(
            reason,
            "by " + ", ".join(stages[reason]),
            count(files[reason]),
            "",
            _share(files[reason], longest),
        )
        for reason in order
    ]


def job_bars(jobs: Sequence[JobTime], cores: int, core_hour_price: float) -> list[Bar]:
    """A bar for each job with its time, and its cost where there is a price."""
    longest = max((job.seconds for job in jobs), default=0.0)
    return [
        Bar(
            job.name,
            "",
            duration(job.seconds),
            f"costs {price(job_cost(job.seconds, cores, core_hour_price))}"
            if core_hour_price
            else "",
            _share(job.seconds, longest),
        )
        for job in jobs
    ]


def job_cost(seconds: float, cores: int, core_hour_price: float) -> float:
    """The cost of a time on some cores, in the currency of the price of a core for an hour."""
    return seconds / 3600 * cores * core_hour_price


def _share(value: float, longest: float) -> float:
    return value / longest if longest else 0.0
