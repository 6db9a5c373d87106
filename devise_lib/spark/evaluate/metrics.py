"""The ranks of test photos' labels become METRICS: zero-shot tables, controls and ceilings."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from devise_lib.numerics.generalized import SeenUnseenCurve, harmonic_mean
from devise_lib.numerics.hierarchy import chance_precision
from devise_lib.numerics.hubness import hubness
from devise_lib.report.generalized import CURVE_SEEN, CURVE_UNSEEN
from devise_lib.spark.evaluate.rank_photos import HUBS_K, EvalPlan
from devise_lib.spark.tables.metrics_table import Metric

TURN_STEP = 1e-3  # The penalties of a curve are rounded to multiples of it.
CURVE_POINTS = 41  # most points of a curve
METHOD = ("photo_set", "choice", "method", "seed")


def zero_shot_metrics(ranks: DataFrame, plan: EvalPlan) -> list[Metric]:
    """Return every figure of the tables. At most as many rows as there are labels are collected.

    Args:
        ranks: the result of `rank_photos`, which is read three times.
        plan: with which the photos were ranked.
    """
    return [
        *_shares(ranks, plan),
        *_chance(plan),
        *_hubs(ranks, plan),
        *_areas(ranks, plan),
    ]


def _shares(ranks: DataFrame, plan: EvalPlan) -> Iterator[Metric]:
    """Give hit@k, hierarchical precision@k, per-class top-1, and its seen-unseen harmonic mean."""
    shares = [F.avg(_within(k)).alias(f"hit_{k}") for k in plan.ks]
    shares += [F.avg(F.col("precision")[i]).alias(f"hp_{k}") for i, k in enumerate(plan.ks)]
    shares.append((F.sum(F.col("weight") * _within(1)) / F.sum("weight")).alias("top1"))
    rows = ranks.groupBy(*METHOD, "seen").agg(*shares).orderBy(*METHOD, "seen").collect()
    of_kind: dict[tuple[Any, ...], dict[bool, float]] = defaultdict(dict)
    for row in rows:
        for k in plan.ks:
            yield _metric(plan, row, "hit", k, row[f"hit_{k}"])
            if row[f"hp_{k}"] is not None:
                yield _metric(plan, row, "hierarchical_precision", k, row[f"hp_{k}"])
        yield _metric(plan, row, "per_class_top1", 1, row["top1"])
        of_kind[tuple(row[name] for name in METHOD)][row["seen"]] = row["top1"]
    for key, kinds in of_kind.items():
        if len(kinds) == 2:
            both = dict(zip(METHOD, key, strict=True))
            mean = harmonic_mean(kinds[True], kinds[False])
            yield _metric(plan, both, "harmonic_mean", 1, mean)


def _within(k: int) -> Column:
    return (F.col("rank") <= k).cast("double")


def _metric(
    plan: EvalPlan, row: Row | dict[str, Any], metric: str, k: int | None, value: float
) -> Metric:
    """Return a figure of a photo set, or of its seen or unseen photos if the row has `seen`."""
    photos = str(row["photo_set"])
    if "seen" in row:
        photos += " seen" if row["seen"] else " unseen"
    choice = plan.labels.choices[row["choice"]].name
    return Metric(str(row["method"]), photos, choice, metric, k, float(value), row["seed"])


def _chance(plan: EvalPlan) -> Iterator[Metric]:
    """Give the figures of guessing, and of what the others depend on: photos, labels, set sizes."""
    known = plan.labels.labels
    for place, choice in enumerate(plan.labels.choices):
        groups: dict[tuple[str, bool], dict[str, int]] = defaultdict(dict)
        for (photo_set, label), photos in sorted(plan.sizes.items()):
            column = known.place[label]
            if column in choice.columns and (
                not choice.photo_sets or photo_set in choice.photo_sets
            ):
                groups[photo_set, bool(known.seen[column])][label] = photos
        candidates = {known.labels[column] for column in choice.columns}
        for (photo_set, seen), sizes in groups.items():
            row = {"photo_set": photo_set, "seen": seen, "choice": place}
            row |= {"method": "chance", "seed": None}
            yield _metric(plan, row, "photos", None, sum(sizes.values()))
            yield _metric(plan, row, "candidates", None, len(candidates))
            for k in plan.ks:
                yield _metric(plan, row, "hit", k, min(1.0, k / len(candidates)))
            sets = [
                (plan.correct[place, label], photos)
                for label, photos in sizes.items()
                if (place, label) in plan.correct
            ]
            for k in plan.ks if sets else ():
                chance = chance_precision(sets, k, candidates)
                yield _metric(plan, row, "hierarchical_precision", k, chance)
                size = sum(one.size(k) * n for one, n in sets) / sum(n for _, n in sets)
                yield _metric(plan, row, "correct_set_size", k, size)


def _hubs(ranks: DataFrame, plan: EvalPlan) -> Iterator[Metric]:
    """Give how unevenly unseen labels occur among the first HUBS_K, as the only candidates."""
    choices = plan.labels.choices
    alone = [place for place, choice in enumerate(choices) if choice.name == "unseen_only"]
    listed = ranks.where(F.col("choice").isin(alone)).select(
        *METHOD, "seen", F.explode("first").alias("place")
    )
    occurrences: dict[Row, dict[int, int]] = defaultdict(dict)
    for row in listed.groupBy(*METHOD, "seen", "place").count().orderBy(*METHOD, "place").collect():
        group = Row(*METHOD, "seen")(*(row[name] for name in (*METHOD, "seen")))
        occurrences[group][row["place"]] = row["count"]
    for group, found in occurrences.items():
        labels = len(choices[group["choice"]].columns)
        counts = np.array([found.get(place, 0) for place in range(labels)])
        figures = hubness(counts, min(HUBS_K, labels))
        for metric, value in (
            ("hubness_skewness", figures.skewness),
            ("antihub_share", figures.antihub_share),
            ("hub_occurrence", figures.hub_occurrence),
            ("robin_hood", figures.robin_hood),
        ):
            yield _metric(plan, group, metric, HUBS_K, value)


def _areas(ranks: DataFrame, plan: EvalPlan) -> Iterator[Metric]:
    """Give AUSUC, of per-class accuracies, with penalties rounded to TURN_STEP, and its curve.

    The `k` of a point of the curve is its number.
    """
    step = F.rint(F.col("turn") / TURN_STEP)
    weights = (
        ranks.where("turn IS NOT NULL")
        .groupBy(*METHOD, "seen", step.alias("step"))
        .agg(F.sum("weight").alias("weight"))
        .orderBy(*METHOD, "step")
    )
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in weights.collect():
        groups[tuple(row[name] for name in METHOD)].append(row)
    for key, rows in groups.items():
        curve = _curve(rows)
        if curve is not None:
            row = dict(zip(METHOD, key, strict=True))
            yield _metric(plan, row, "ausuc", None, curve.area())
            for number, (seen, unseen) in enumerate(zip(*curve.sample(CURVE_POINTS), strict=True)):
                yield _metric(plan, row, CURVE_SEEN, number, seen)
                yield _metric(plan, row, CURVE_UNSEEN, number, unseen)


def _curve(rows: list[Row]) -> SeenUnseenCurve | None:
    """Return the curve of one method; None if it has only seen or only unseen photos."""
    totals = {kind: sum(r["weight"] for r in rows if r["seen"] == kind) for kind in (True, False)}
    if not all(totals.values()):
        return None
    gammas = np.array(sorted({row["step"] for row in rows})) * TURN_STEP
    steps = {kind: np.zeros(len(gammas)) for kind in (True, False)}
    for row in rows:
        if row["seen"] and np.isneginf(row["step"]):
            continue  # It is never first.
        place = int(np.searchsorted(gammas, row["step"] * TURN_STEP))
        steps[row["seen"]][place] += row["weight"] / totals[row["seen"]]
    return SeenUnseenCurve.of(gammas, steps[True], steps[False])
