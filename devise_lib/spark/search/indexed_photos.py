"""The photos that an index has, and how they differ from those that it should have."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from devise_lib.index.building.arrays import StoredArray
from devise_lib.index.bundle import Bundle
from devise_lib.index.manifest import DIGESTS_FILE, IDS_FILE, REMOVED_FILE
from devise_lib.storage.stores import this_access

Batches = Iterator[pa.RecordBatch]
IDS_AT_ONCE = 1_000_000


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
