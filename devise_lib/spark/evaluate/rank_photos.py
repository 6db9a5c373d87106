"""Where each method puts the right label of each test photo: METRICS of the zero-shot tables."""

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
HUBS_K = 10  # of the lists that hubs are counted in


@dataclass(frozen=True)
class EvalPlan:
    """What every task asks.

    Attributes:
        labels: every label that may be the answer, and the choices among them.
        methods: with the settings that were chosen for them.
        ks: lengths of the lists.
        sizes: photos of each photo set and label.
        correct: by choice and label, hCorrectSet; empty without a hierarchy.
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
    """What the test photos are asked; what is collected is of the size of the labels.

    hCorrectSets are of the labels that the hierarchy has. They may hold the choice's labels and
    the seen ones of the same label sets, as in the paper's zero-shot tasks (table 5).

    Args:
        features: FEATURES of the test split.
        labels, methods: see `EvalPlan`.
        config: ks and the hierarchy.

    Raises:
        InputError: a photo's label is not in LABELS any more.
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
    """One row a test photo, choice, method and variant: columns of RESULTS.

    `weight` is one over the photos of the label, so sums with it are means over classes; `rank`
    is that of the right label, from 1; `turn` the penalty on seen labels at which it is
    lost or won; `first` the places of the first HUBS_K labels, fewer where the method names no
    more; `precision` hierarchical precision at each k, null without a hierarchy.

    Args:
        features: FEATURES of the test split.
        plan: see there. A photo is asked in the choices that hold its label.
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
    """The columns of the k best; fewer where that is all it names, as a softmax its classes."""
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
