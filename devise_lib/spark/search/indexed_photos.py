"""The photos that an index should have, those that it has, and how the two differ."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from devise_lib.errors import InputError
from devise_lib.index.building.arrays import StoredArray
from devise_lib.index.bundle import Bundle
from devise_lib.index.manifest import DIGESTS_FILE, IDS_FILE, REMOVED_FILE
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.storage.stores import this_access

Batches = Iterator[pa.RecordBatch]
IDS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Versions:
    """The versions of EMBEDDINGS and PHOTOS that a run reads.

    Attributes:
        embeddings, photos: the versions; -1 where there is no PHOTOS.
        transactions: of the commits that made them; other tables at these paths have other ones.
    """

    embeddings: int
    photos: int
    transactions: str

    @classmethod
    def newest(cls, tables: Tables, embeddings: int | None = None) -> "Versions":
        """Return those of now, or another one of EMBEDDINGS.

        Raises:
            InputError: EMBEDDINGS has no such version yet.
        """
        photos = tables.version("photos") if tables.exists("photos") else -1
        newest = tables.version("embeddings")
        if embeddings is not None and embeddings > newest:
            raise InputError(
                f"build_index.table_version is {embeddings}, but the newest version of EMBEDDINGS "
                f"is {newest}: give one up to that"
            )
        return cls.of(tables, newest if embeddings is None else embeddings, photos)

    @classmethod
    def of(cls, tables: Tables, embeddings: int, photos: int) -> "Versions":
        """Return these versions of the tables that are there now."""
        of_both = (("embeddings", embeddings), ("photos", photos))
        each = (tables.transaction(name, version) for name, version in of_both)
        return cls(embeddings, photos, " ".join(each))


def embeddings_of(tables: Tables, model_id: str, versions: Versions) -> DataFrame:
    """Return the rows of EMBEDDINGS of a model, but for photos that are gone from their source."""
    rows = tables.read("embeddings", versions.embeddings).where(F.col("model_id") == model_id)
    if versions.photos < 0:
        return rows
    photos = tables.read("photos", versions.photos)
    if photos.where("removed IS NOT NULL").isEmpty():  # The join would shuffle all embeddings.
        return rows
    last = photos.groupBy("photo_id").agg(F.max_by("removed", "revision").alias("removed"))
    return rows.join(last.where("removed IS NOT NULL"), "photo_id", "left_anti")


def read_ids(spark: SparkSession, bundle: Bundle) -> DataFrame:
    """Return the photos that an index finds: row, photo_id, digest.

    `digest` is the first 60 bits of the SHA-256 of the photo's file.
    """
    access, folder, removed = this_access(), bundle.folder, bundle.manifest.removed

    def read(batches: Batches) -> Batches:
        access.open()
        gone = np.empty(0, np.int64)
        if removed:
            gone = StoredArray.open(f"{folder}/{REMOVED_FILE}").rows(0, removed)
        for batch in batches:
            for name, first, start, stop in zip(*batch.to_pydict().values(), strict=True):
                rows = np.arange(first + start, first + stop)
                kept = ~np.isin(rows, gone, assume_unique=True)
                ids = StoredArray.open(f"{folder}/{name}/{IDS_FILE}").rows(start, stop)[kept]
                digests = StoredArray.open(f"{folder}/{name}/{DIGESTS_FILE}").rows(start, stop)
                yield pa.RecordBatch.from_pydict(
                    {
                        "row": pa.array(rows[kept]),
                        "photo_id": pa.array([name.decode() for name in ids.tolist()], pa.string()),
                        "digest": pa.array(digests[kept]),
                    }
                )

    pieces = [
        (each.name, each.first_row, start, min(start + IDS_AT_ONCE, each.rows))
        for each in bundle.manifest.segments
        for start in range(0, each.rows, IDS_AT_ONCE)
    ]
    frame = spark.createDataFrame(pieces, "name string, first long, start long, stop long")
    spread = frame.repartition(len(pieces))
    return spread.mapInArrow(read, "row long, photo_id string, digest long")


def changes(embeddings: DataFrame, bundle: Bundle) -> DataFrame:
    """Return what an index lacks or has too much: photo_id, row, is_fresh.

    | photo | row | is_fresh |
    |---|---|---|
    | is not in the index | null | true |
    | was embedded again from another file | of the old vector | true |
    | has no embedding any more | of the vector | false |

    Args:
        embeddings: photo_id and sha256, of the model of the index.
        bundle: the index.
    """
    digest = F.conv(F.substring("sha256", 1, 15), 16, 10).cast("long")
    now = embeddings.select("photo_id", F.coalesce(digest, F.lit(0)).alias("digest"))
    now = now.groupBy("photo_id").agg(F.array_sort(F.collect_set("digest")).alias("digests"))
    both = read_ids(embeddings.sparkSession, bundle).join(now, "photo_id", "full")
    same = F.array_contains("digests", F.col("digest"))
    return both.where(~F.coalesce(same, F.lit(False))).select(
        "photo_id", "row", F.col("digests").isNotNull().alias("is_fresh")
    )
