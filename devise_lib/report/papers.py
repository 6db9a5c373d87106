"""METRICS in the layout of the tables of the papers, with the published figures below ours."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from devise_lib.report.content import Measurement
from devise_lib.report.figures import METHODS, name_of
from devise_lib.report.published import HITS, KS, PRECISIONS, Published

SETS = {  # the candidate labels in words, in the order of the papers
    "1k": "the labels of ImageNet-1K",
    "2_hops_only": "labels within 2 hops of ImageNet-1K",
    "2_hops": "labels within 2 hops of ImageNet-1K, and those of ImageNet-1K",
    "3_hops_only": "labels within 3 hops of ImageNet-1K",
    "3_hops": "labels within 3 hops of ImageNet-1K, and those of ImageNet-1K",
    "21k_only": "labels of ImageNet-21K without ImageNet-1K",
    "21k": "all labels of ImageNet-21K",
}
TABLES = (  # metric of METRICS, title, digits, published rows, factor of our figures
    ("hit", "Flat hit@k, %", "%.1f", HITS, 100.0),
    ("hierarchical_precision", "Hierarchical precision@k", "%.3f", PRECISIONS, 1.0),
)


@dataclass(frozen=True, slots=True)
class PaperRow:
    """Figures of a method, ours or a paper's.

    Attributes:
        name: of the method.
        source: the name of the method in the paper; "" for our own figures.
        labels: number of candidate labels.
        values: one per k; None if there is none.
    """

    name: str
    source: str
    labels: int
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class PaperTable:
    """Rows for one set of photos and one set of candidate labels.

    Attributes:
        title: metric, photos and candidates.
        digits: format of a figure.
        note: how our figures differ from the published ones.
        rows: our figures, then the published ones.
    """

    title: str
    digits: str
    note: str
    rows: Sequence[PaperRow]


def paper_tables(metrics: Sequence[Measurement]) -> list[PaperTable]:
    """One table per candidate set of the papers, and metric, that METRICS has."""
    asked = {(m.photo_set, m.candidate_set) for m in metrics if m.candidate_set in SETS}
    order = sorted(asked, key=lambda pair: (pair[0], list(SETS).index(pair[1])))
    return [
        PaperTable(
            f"{title}: {photo_set}, {SETS[candidates]}",
            digits,
            " ".join(_notes(here, metric, photo_set, candidates)),
            [*_ours(here, metric, scale), *_theirs(published, candidates)],
        )
        for metric, title, digits, published, scale in TABLES
        for photo_set, candidates in order
        for here in [
            [m for m in metrics if (m.photo_set, m.candidate_set) == (photo_set, candidates)]
        ]
        if any(m.metric == metric for m in here)
    ]


def _ours(here: Sequence[Measurement], metric: str, scale: float) -> Iterator[PaperRow]:
    """Our rows: every method, as the mean over its seeds. Only DeViSE has its variants, too."""
    labels = int(_figure(here, "candidates") or 0)
    measured = {m.method for m in here if m.metric == metric}
    for base in METHODS:
        for method in sorted(m for m in measured if m.partition("+")[0] == base):
            if method != base and base != "devise":
                continue
            values: list[float | None] = []
            for k in KS:
                found = [m.value for m in here if (m.method, m.metric, m.k) == (method, metric, k)]
                values.append(scale * fmean(found) if found else None)
            yield PaperRow(name_of(method), "", labels, values)


def _theirs(published: Sequence[Published], candidates: str) -> Iterator[PaperRow]:
    for row in published:
        if row.candidate_set == candidates:
            yield PaperRow(name_of(row.method), row.note, row.labels, row.values)


def _notes(
    here: Sequence[Measurement], metric: str, photo_set: str, candidates: str
) -> Iterator[str]:
    photos = _figure(here, "photos")
    if photos is not None:
        yield f"{round(photos):,} photos here; the papers' are ImageNet's."
    if candidates != "1k" and photo_set.endswith(" seen"):
        yield (
            "These photos have seen labels; the papers' photos have unseen labels. Because of that "
            "the figures are not comparable."
        )
    if metric == "hierarchical_precision":
        sizes = [(m.k, m.value) for m in here if m.metric == "correct_set_size" and m.k is not None]
        if sizes:
            listed = ", ".join(f"{size:.1f} at {k}" for k, size in sorted(sizes))
            yield f"Mean size of the correct sets: {listed}."


def _figure(here: Sequence[Measurement], metric: str) -> float | None:
    return next((m.value for m in here if m.metric == metric), None)
