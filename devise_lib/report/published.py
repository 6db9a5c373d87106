"""Published figures of published.toml, for the tables that show them beside our own."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

KS = (1, 2, 5, 10, 20)


@dataclass(frozen=True, slots=True)
class Published:
    """A row of a table of a paper.

    Attributes:
        candidate_set: our candidate set that matches: "1k"; or "2_hops", "3_hops" or "21k", which
            include the 1K labels; or one of these with "_only", which excludes the 1K labels.
        method: the name in METRICS.
        note: the name in the paper.
        labels: number of candidate labels.
        values: percentages, or shares for hierarchical precision; None if the paper has none.
    """

    candidate_set: str
    method: str
    note: str
    labels: int
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class PublishedGeneralized:
    """Per-class top-1 accuracy for a source of photos, from a paper.

    Attributes:
        source: the paper.
        note: how its figures differ from ours.
        rows: the method and four percentages. The first is for photos of unseen labels among the
            unseen labels. The next two are for photos of unseen and of seen labels among all.
            The last is the harmonic mean of these two. None if the paper has none.
    """

    source: str
    note: str
    rows: Sequence[tuple[str, tuple[float | None, float, float, float]]]


def _figures(values: Sequence[float]) -> tuple[Any, ...]:
    return tuple(None if value != value else value for value in values)  # nan: the paper has none


def _rows(table: Sequence[Sequence[Any]]) -> tuple[Published, ...]:
    return tuple(
        Published(candidates, method, note, labels, _figures(values))
        for candidates, method, note, labels, values in table
    )


_ALL = tomllib.loads(files("devise_lib.report").joinpath("published.toml").read_text("utf-8"))
HITS = _rows(_ALL["hits"])  # flat hit@k, per cent
PRECISIONS = _rows(_ALL["precisions"])  # hierarchical precision@k
GENERALIZED = {  # by the name of the source of photos
    name: PublishedGeneralized(
        paper["source"],
        paper["note"],
        tuple((method, _figures(values)) for method, values in paper["rows"]),
    )
    for name, paper in _ALL["generalized"].items()
}
