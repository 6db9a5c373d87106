"""PHOTOGRAPHER_RANKING: the owners whose photos fit each assignment of a user's table best.

All photos are scored for all assignments, by blocks on the workers. The first pass over them tells
the mean scores, to which the scores of owners are shrunk. In the second one, all photos of an owner
are in one task, which keeps the best k owners of each assignment.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import Broadcast
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from devise_lib.config.suggestions import RankPhotographers
from devise_lib.errors import InputError
from devise_lib.index.building.intake import take_in
from devise_lib.search.photographers import exposure_share
from devise_lib.search.submissions import brief_scores
from devise_lib.spark.platform.literal_paths import text_in_sql
from devise_lib.spark.platform.session import arrow_rows
from devise_lib.spark.search.assignments import Assignment, read_assignments
from devise_lib.spark.search.best_owners import BestOwners
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.embedded_photos import Versions, embeddings_of

Batches = Iterator[pa.RecordBatch]
Assignments = Sequence[Assignment]
PHOTOS_AT_ONCE = 1_024
EXPOSED = 0.01  # the share of owners whose part of all places is measured
SUMS = "assignment int, total double, photos long"
RANKED = (
    "assignment_id string, owner string, score double, photos long, best_photos array<string>, "
    "best_scores array<double>"
)


def write_ranking(
    tables: Tables, config: RankPhotographers, model_id: str, run_id: str, words_id: str
) -> tuple[dict[str, int], float]:
    """Replace the rows of a model and a table of assignments, in one commit.

    Returns:
        The rows, the assignments, the owners that were ranked, and what is left out; and the part
        of all places that goes to the 1 % of the owners who are shown most often.

    Raises:
        InputError: the table of assignments cannot be used, no photo has an owner, or the model has
            embedded no photo.
    """
    embeddings = embeddings_of(tables, model_id, Versions.newest(tables))
    if (first := embeddings.first()) is None:
        raise InputError(f"EMBEDDINGS has no photo of model {model_id}: run embed_photos with it")
    dimension = len(first["embedding"])
    assignments, left_out = read_assignments(tables, config, embeddings, model_id, words_id)
    owned = _with_owners(tables, embeddings)
    owners = owned.agg(F.count_distinct("owner")).first()[0]
    if not owners:
        raise InputError(
            "PHOTOS names the owner of no embedded photo, so nobody can be ranked: set "
            "ingest_photos.source.owner, and run ingest_photos again"
        )
    score = _Scorer(config, dimension)
    with arrow_rows(tables.spark, PHOTOS_AT_ONCE):
        shared = tables.spark.sparkContext.broadcast(assignments)
        best = tables.spark.createDataFrame([], RANKED)
        if assignments:
            usual = _mean_scores(owned, shared, score)
            by_owner = owned.where("owner IS NOT NULL").repartition("owner")
            in_order = by_owner.sortWithinPartitions("owner", "photo_id")
            best = in_order.mapInArrow(_make_rank(shared, score, usual, config), RANKED)
        best_first = Window.partitionBy("assignment_id").orderBy(F.desc("score"), "owner")
        ranked = best.withColumn("rank", F.row_number().over(best_first))
        about = {"model_id": model_id, "assignment_set": config.assignments, "run_id": run_id}
        rows = ranked.where(F.col("rank") <= config.k)
        rows = rows.withColumns({name: F.lit(value) for name, value in about.items()})
        same = f"model_id = '{model_id}' AND assignment_set = {text_in_sql(config.assignments)}"
        written = tables.overwrite("photographer_ranking", rows, where=same)
    shown = tables.read("photographer_ranking").where(same).select("owner").toArrow()["owner"]
    exposure = exposure_share([shown.to_pylist()], owners, EXPOSED) if written else 0.0
    counts = {"rows": written, "assignments": len(assignments), "owners": owners}
    return counts | {name: count for name, count in left_out.items() if count}, exposure


def _with_owners(tables: Tables, embeddings: DataFrame) -> DataFrame:
    """Return photo_id, owner, embedding; an owner is that of the newest revision, or null."""
    photos = tables.read("photos").groupBy("photo_id")
    owners = photos.agg(F.max_by("owner", "revision").alias("owner"))
    both = embeddings.select("photo_id", "embedding").join(owners, "photo_id", "left")
    return both.select("photo_id", "owner", "embedding")


class _Scorer:
    """Scores a batch of photos for all assignments."""

    def __init__(self, config: RankPhotographers, dimension: int) -> None:
        self._weight, self._pooling = config.text_weight, config.examples
        self._dimension = dimension

    def __call__(
        self, batch: pa.RecordBatch, assignments: Assignments
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the places (b,) of photos that have a direction, and their scores (a, b)."""
        taken = take_in(batch["photo_id"], batch["embedding"], self._dimension)
        photos = taken.vectors.astype(np.float64)
        scores = np.empty((len(assignments), len(photos)))
        for row, each in enumerate(assignments):
            scores[row] = brief_scores(
                photos, each.text, each.examples, text_weight=self._weight, pooling=self._pooling
            )
        return taken.kept, scores


def _mean_scores(
    photos: DataFrame, shared: Broadcast[Assignments], score: _Scorer
) -> NDArray[np.float64]:
    """Return the mean score of all photos for each assignment, (a,)."""

    def add_up(batches: Batches) -> Batches:
        total, count = np.zeros(len(shared.value)), 0
        for batch in batches:
            kept, scores = score(batch, shared.value)
            total, count = total + scores.sum(axis=1), count + len(kept)
        yield pa.RecordBatch.from_pydict(
            {
                "assignment": pa.array(range(len(total)), pa.int32()),
                "total": pa.array(total),
                "photos": pa.array([count] * len(total), pa.int64()),
            }
        )

    sums = photos.mapInArrow(add_up, SUMS).groupBy("assignment")
    mean = F.sum("total") / F.greatest(F.sum("photos"), F.lit(1))
    rows = sums.agg(mean.alias("mean")).orderBy("assignment").collect()
    return np.array([row["mean"] for row in rows])


def _make_rank(
    shared: Broadcast[Assignments],
    score: _Scorer,
    usual: NDArray[np.float64],
    config: RankPhotographers,
) -> Callable[[Batches], Batches]:
    """Return the function over batches of photos in the order of their owners."""

    def rank(batches: Batches) -> Batches:
        assignments = shared.value
        best = BestOwners([each.name for each in assignments], usual, config)
        for batch in batches:
            kept, scores = score(batch, assignments)
            owners = batch["owner"].take(pa.array(kept)).to_numpy(zero_copy_only=False)
            photos = batch["photo_id"].take(pa.array(kept)).to_pylist()
            changes = np.flatnonzero(owners[1:] != owners[:-1]) + 1
            for start, stop in pairwise([0, *changes.tolist(), len(owners)]):
                if stop > start:
                    best.add(owners[start], photos[start:stop], scores[:, start:stop])
        yield best.rows()

    return rank
