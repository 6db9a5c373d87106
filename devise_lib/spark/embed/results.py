"""The results of a model: each photo once, in EMBEDDINGS or in QUARANTINE."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.spark.embed.batches import newest
from devise_lib.spark.tables.caching import Scratch
from devise_lib.spark.tables.delta_tables import Tables, count_by

RESULT_TABLES = ("embeddings", "quarantine")
JOB_NAME = "embed_photos"  # also the stage of its rows in QUARANTINE


def results_of(tables: Tables, model_id: str) -> DataFrame:
    """Return photo_id and sha256 of every photo that the model has embedded or refused."""
    first, second = (
        _results_in(tables, name, model_id).select("photo_id", "sha256") for name in RESULT_TABLES
    )
    return first.union(second)


def _results_in(tables: Tables, name: str, model_id: str) -> DataFrame:
    """Return the model's results in a table, without what later jobs refuse (build_index)."""
    rows = tables.of_model(name, model_id)
    return rows.where(F.col("stage") == JOB_NAME) if name == "quarantine" else rows


@dataclass(frozen=True)
class Counts:
    """The number of results of a model.

    Attributes:
        embedded: photos in EMBEDDINGS.
        refused: photos in QUARANTINE, by reason.
    """

    embedded: int
    refused: Counter[str]

    @property
    def total(self) -> int:
        """The number of all results."""
        return self.embedded + self.refused.total()

    def rows(self) -> dict[str, int]:
        """Return the counts under the names that the job reports."""
        return {"embeddings": self.embedded, "quarantined": self.refused.total()}


def count_results(tables: Tables, model_id: str) -> Counts:
    """Count the photos that the model has embedded, and those that it has refused."""
    reasons = {"embeddings": F.lit("").alias("reason"), "quarantine": F.col("reason")}
    parts = [
        _results_in(tables, name, model_id).select(reason)
        for name, reason in reasons.items()
        if tables.size(name).files
    ]
    if not parts:
        return Counts(0, Counter())
    # In one query, because starting a query costs as much as the rows of a small table.
    counts = count_by(reduce(DataFrame.union, parts), "reason")
    return Counts(counts.pop("", 0), Counter(counts))


def without_results(
    photos: DataFrame,
    tables: Tables,
    model_id: str,
    scratch: Scratch,
    *,
    compare: bool,
    has_revised: bool,
) -> tuple[DataFrame, DataFrame | None]:
    """Return the photos that have no result yet, and the outdated results that theirs will replace.

    A photo with a revision above 1 is always looked up, because its result belongs to other bytes.

    Args:
        photos: the columns of `identify`, at most a micro-batch, because they are broadcast.
        tables: with the results.
        model_id: of the model.
        scratch: holds the results that are found, because the tables are about to change.
        compare: look up the photos of revision 1, too.
        has_revised: whether any photo has a revision above 1.

    Returns:
        The rows to embed, and photo_id and sha256 of results of other bytes; None for none.
    """
    if not compare and not has_revised:
        return photos, None
    photos = newest(photos)
    asked = photos if compare else photos.where("revision > 1")
    asked = asked.select("photo_id", "sha256")
    ids = asked.select("photo_id")
    known = results_of(tables, model_id).join(F.broadcast(ids), "photo_id", "left_semi")
    known = scratch.save(known, "known")
    same = ["photo_id", "sha256"]
    stale = known.join(F.broadcast(asked), same, "left_anti")
    return (
        photos.join(F.broadcast(known), same, "left_anti"),
        None if stale.isEmpty() else stale,
    )


def delete_results(tables: Tables, model_id: str, results: DataFrame) -> None:
    """Delete the model's results of some photos.

    Args:
        tables: with the results.
        model_id: of the model.
        results: photo_id, sha256.
    """
    same = f"t.model_id = '{model_id}' AND t.photo_id = s.photo_id AND t.sha256 = s.sha256"
    for name in RESULT_TABLES:
        tables.merge(name, F.broadcast(results), same, lambda merge: merge.whenMatchedDelete())


def forget_refused(tables: Tables, model_id: str, reasons: Sequence[str]) -> int:
    """Delete the model's refusals for these reasons, so that their photos are tried again.

    Returns:
        The number of deleted refusals.
    """
    wanted = F.col("reason").isin(*reasons)
    count = _results_in(tables, "quarantine", model_id).where(wanted).count()
    if count:
        of_stage = F.col("stage") == JOB_NAME
        tables.delete("quarantine", (F.col("model_id") == model_id) & of_stage & wanted)
    return count
