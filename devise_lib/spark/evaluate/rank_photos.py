"""Ranks the right label of each test photo by each method, for the zero-shot tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession

from devise_lib.config.reporting import Evaluate
from devise_lib.numerics.generalized import turning_points
from devise_lib.numerics.hierarchy import CorrectSets, Hierarchy
from devise_lib.numerics.retrieval import best_columns, rank_of_truth
from devise_lib.numerics.vectors import FloatArray, stack_rows
from devise_lib.spark.evaluate.candidate_sets import LabelChoices
from devise_lib.spark.evaluate.methods import FittedMethod
from devise_lib.spark.features.moments import require_vectors
from devise_lib.text.labels.hierarchy import read_edges

RESULTS = (
    "photo_set string, seen boolean, label string, weight double, choice int, method string, "
    "seed int, rank long, turn double, first array<int>, precision array<double>"
)
HUBS_K = 10  # length of the lists in which hubs are counted


@dataclass(frozen=True)
class EvalPlan:
    """What every task needs to rank photos.

    Attributes:
        labels: every label that may be an answer, and the choices among them.
        methods: with the settings that were chosen for them.
        ks: lengths of the lists.
        sizes: number of photos by photo set and label.
        correct: hCorrectSet by choice and label; empty without a hierarchy.
    """

    labels: LabelChoices
    methods: Sequence[FittedMethod]
    ks: tuple[int, ...]
    sizes: Mapping[tuple[str, str], int]
    correct: Mapping[tuple[int, str], CorrectSets]


def make_eval_plan(
    features: DataFrame,
    labels: LabelChoices,
    methods: Sequence[FittedMethod],
    config: Evaluate,
) -> EvalPlan:
    """Return the plan for ranking the test photos. Only counts per label are collected.

    Only labels of the hierarchy have an hCorrectSet. It may hold the labels of the choice and the
    seen labels of the same label sets.

    Source: Frome et al., "DeViSE" (2013), the zero-shot tasks of table 5.

    Args:
        features: FEATURES of the test split.
        labels: every label that may be an answer, and the choices among them.
        methods: with the settings that were chosen for them.
        config: ks and the hierarchy.

    Raises:
        InputError: a photo's label is no longer in LABELS.
    """
    counts = features.groupBy("photo_set", "label").count().collect()
    sizes = {(row["photo_set"], row["label"]): row["count"] for row in counts}
    known, correct = labels.labels, {}
    require_vectors({label for _, label in sizes}, known.place)
    hierarchy = Hierarchy(read_edges(config.hierarchy) if config.hierarchy else ())
    for number, choice in enumerate(labels.choices):
        valid = {known.labels[column] for column in choice.valid}
        inside = {known.labels[column] for column in choice.columns}
        for label in {label for _, label in sizes} & inside:
            if label in hierarchy:
                sets = hierarchy.correct_sets(label, valid, max(config.k))
                correct[number, label] = sets
    return EvalPlan(labels, methods, config.k, sizes, correct)


def rank_photos(spark: SparkSession, features: DataFrame, plan: EvalPlan) -> DataFrame:
    """Return one row per test photo, choice, method and variant: the columns RESULTS.

    | column | meaning |
    |---|---|
    | weight | 1 / photos of the label, so that sums with it are means over classes |
    | rank | of the right label, from 1 |
    | turn | the penalty on seen labels at which the right label becomes or stops being first |
    | first | places of the first HUBS_K labels; fewer if the method names fewer |
    | precision | hierarchical precision at each k; null without a hierarchy |

    Args:
        spark: the session.
        features: FEATURES of the test split.
        plan: methods and choices. A photo is ranked in the choices that hold its label.
    """
    shared = spark.sparkContext.broadcast(plan)

    def ask(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        plan = shared.value
        for batch in batches:
            rows = batch["feature"].to_list()
            if not rows:
                continue
            vectors = stack_rows(rows, len(rows[0]))
            for fitted in plan.methods:
                scores = fitted.method.scores(vectors, plan.labels.labels)
                yield from _rank_rows(batch, fitted, scores, plan)

    return features.select("photo_set", "seen", "label", "feature").mapInPandas(ask, RESULTS)


def _rank_rows(
    batch: pd.DataFrame, fitted: FittedMethod, scores: FloatArray, plan: EvalPlan
) -> Iterator[pd.DataFrame]:
    known = plan.labels.labels
    column = batch["label"].map(known.place)
    for place, choice in enumerate(plan.labels.choices):
        inside = column.isin(choice.columns).to_numpy()
        if choice.photo_sets:
            inside &= batch["photo_set"].isin(choice.photo_sets).to_numpy()
        if not inside.any():
            continue
        truth = np.searchsorted(choice.columns, column[inside].to_numpy().astype(np.int64))
        seen = known.seen[choice.columns]
        both = 0 < seen.sum() < len(seen)
        kept = batch.loc[inside, ["photo_set", "seen", "label"]]
        pairs = zip(kept["photo_set"], kept["label"], strict=True)
        kept = kept.assign(weight=[1.0 / plan.sizes[pair] for pair in pairs])
        for method, adjusted, gamma in fitted.variants(scores[inside]):
            if gamma is not None and not both:
                continue
            mine = adjusted[:, choice.columns]
            turns = turning_points(mine, seen, truth) if both and gamma is None else None
            mine = mine - (gamma or 0.0) * seen
            first = _answered(mine, max(plan.ks))
            yield kept.assign(
                choice=place,
                method=method,
                seed=fitted.seed,
                rank=rank_of_truth(mine, truth),
                turn=turns,
                first=[row[:HUBS_K] for row in first],
                precision=_precisions(first, kept["label"], place, plan),
            )


def _answered(scores: FloatArray, k: int) -> list[NDArray[np.int64]]:
    """Return the columns of the k best; fewer if a method names fewer, as a softmax its classes."""
    first = best_columns(scores, k)
    given = np.isfinite(np.take_along_axis(scores, first, axis=1))
    return [row[mine] for row, mine in zip(first, given, strict=True)]


def _precisions(
    first: Sequence[NDArray[np.int64]], labels: "pd.Series[str]", place: int, plan: EvalPlan
) -> list[list[float] | None]:
    choice, known = plan.labels.choices[place], plan.labels.labels
    found: list[list[float] | None] = []
    for row, label in zip(first, labels, strict=True):
        sets = plan.correct.get((place, label))
        if sets is None:
            found.append(None)
            continue
        names = [known.labels[choice.columns[column]] for column in row]
        found.append([sets.precision(names, k) for k in plan.ks])
    return found
