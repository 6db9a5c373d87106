"""Generalized zero-shot learning: its tables as in the literature, and calibration curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devise_lib.report.content import Measurement
from devise_lib.report.figures import in_order, name_of
from devise_lib.report.published import GENERALIZED

CURVE_SEEN, CURVE_UNSEEN = "curve_seen", "curve_unseen"  # metrics; k is the number of a point
ALONE, TOGETHER = "unseen_only", "unseen_and_seen"

Curve = Sequence[tuple[float, float]]  # unseen and seen accuracy; the first has no penalty


@dataclass(frozen=True, slots=True)
class GeneralizedRow:
    """Per-class top-1 accuracy of a method, ours or a paper's; None if there is none.

    Attributes:
        name: of the method.
        source: the paper; "" for our own figures.
        alone: photos of unseen labels; the candidates are the unseen labels.
        unseen: photos of unseen labels; the candidates are all labels.
        seen: photos of seen labels; the candidates are all labels.
        harmonic: harmonic mean of `unseen` and `seen`.
        ausuc: area under the curve of `seen` against `unseen` as the penalty on seen labels grows.
    """

    name: str
    source: str
    alone: float | None
    unseen: float | None
    seen: float | None
    harmonic: float | None
    ausuc: float | None


@dataclass(frozen=True, slots=True)
class GeneralizedTable:
    """Rows for a source of photos. `note` says how the published rows differ from ours."""

    photo_set: str
    note: str
    rows: Sequence[GeneralizedRow]


def generalized_tables(metrics: Sequence[Measurement]) -> list[GeneralizedTable]:
    """One table per source with photos of seen and of unseen labels."""
    sets = sorted({m.photo_set for m in metrics if m.metric == "harmonic_mean"})
    return [_table(metrics, photo_set) for photo_set in sets]


def stacking_curves(metrics: Sequence[Measurement]) -> dict[str, Mapping[str, Curve]]:
    """The curves that were measured, by source of photos and method, both sorted."""
    found: dict[str, dict[str, dict[int, dict[str, float]]]] = {}
    for m in metrics:
        if m.metric in (CURVE_SEEN, CURVE_UNSEEN) and m.k is not None:
            points = found.setdefault(m.photo_set, {}).setdefault(m.method, {})
            points.setdefault(m.k, {})[m.metric] = m.value
    return {
        photo_set: {
            method: [(points[k][CURVE_UNSEEN], points[k][CURVE_SEEN]) for k in sorted(points)]
            for method, points in sorted(of_set.items())
        }
        for photo_set, of_set in sorted(found.items())
    }


def _table(metrics: Sequence[Measurement], photo_set: str) -> GeneralizedTable:
    kinds = {f"{photo_set} {kind}" for kind in ("seen", "unseen")}
    here = {
        (m.method, m.metric, m.photo_set, m.candidate_set): m.value
        for m in metrics
        if m.photo_set in kinds or m.photo_set == photo_set
    }

    def row(method: str) -> GeneralizedRow:
        def top1(kind: str, candidates: str) -> float | None:
            return here.get((method, "per_class_top1", f"{photo_set} {kind}", candidates))

        return GeneralizedRow(
            name_of(method),
            "",
            top1("unseen", ALONE),
            top1("unseen", TOGETHER),
            top1("seen", TOGETHER),
            here.get((method, "harmonic_mean", photo_set, TOGETHER)),
            here.get((method, "ausuc", photo_set, TOGETHER)),
        )

    measured = {m for m, metric, *_ in here if metric == "harmonic_mean"}
    ours = [row(method) for method in in_order(measured)]
    if photo_set not in GENERALIZED:
        return GeneralizedTable(photo_set, "", ours)
    published = GENERALIZED[photo_set]
    theirs = [_theirs(published.source, *each) for each in published.rows]
    return GeneralizedTable(photo_set, published.note, [*ours, *theirs])


def _theirs(source: str, method: str, per_cent: Sequence[float | None]) -> GeneralizedRow:
    alone, unseen, seen, harmonic = (None if v is None else v / 100.0 for v in per_cent)
    return GeneralizedRow(name_of(method), source, alone, unseen, seen, harmonic, None)
