"""The bytes of a few photos, whether PHOTOS stores them or only their paths."""

from collections.abc import Callable, Sequence

import pandas as pd
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from devise_lib.spark.photos.reading import make_reader
from devise_lib.spark.platform.session import arrow_rows
from devise_lib.storage.stores import StoreAccess, this_access
from devise_lib.vision.images.decode import Refusal

CONTENTS_AT_ONCE = 8  # photos per Arrow batch, each as large as its file


def photos_of(photos: DataFrame, photo_ids: Sequence[str]) -> DataFrame:
    """Return the rows of PHOTOS with these ids, without reading the bytes of other photos' files.

    The ids stand in the query, so Delta and Parquet compare them with the least and the greatest id
    of each file and row group. A join would read the bytes of all photos.

    Args:
        photos: PHOTOS.
        photo_ids: at most some thousands; ids that PHOTOS lacks are left out.
    """
    return photos.where(F.col("photo_id").isin(list(dict.fromkeys(photo_ids))))


def some_contents(photos: DataFrame, n: int) -> list[bytes]:
    """Return the bytes of n photos that are not removed; repeated calls give the same ones.

    These photos have the least ids. Ids are digests, so the sample is random. A file of PHOTOS
    holds a range of ids, so the sample lies in few files. A photo that cannot be read is left out.

    Args:
        photos: PHOTOS.
        n: number of photos.
    """
    there = photos.where("removed IS NULL").select("photo_id")
    ids = [row["photo_id"] for row in there.orderBy("photo_id").limit(n).collect()]
    chosen = with_contents(photos_of(photos, ids).select("photo_id", "path", "content"))
    return [bytes(row["content"]) for row in chosen.where("content IS NOT NULL").collect()]


def collect_pictures(
    photos: DataFrame, n: int, draw: Callable[[DataFrame], DataFrame]
) -> list[Row]:
    """Collect rows that are made from a few photos and their bytes, on at most a task per core.

    The size of Arrow batches bounds what a task holds. More tasks would cost more than the photos
    do.

    Args:
        photos: with path, content.
        n: their number, at most.
        draw: makes the rows from photos with their contents; each result is small.
    """
    spark = photos.sparkSession
    batches = max(1, n // CONTENTS_AT_ONCE)
    tasks = min(batches, spark.sparkContext.defaultParallelism)
    with arrow_rows(spark, CONTENTS_AT_ONCE):
        return draw(with_contents(photos.repartition(tasks))).collect()


def with_contents(photos: DataFrame) -> DataFrame:
    """Return photos with `content` read from the path where it is null; null where reading fails.

    The files of an Arrow batch are in memory together, so this is for as many photos as a page
    shows.

    Args:
        photos: with path, content.
    """
    at_path = F.when(F.col("content").isNull(), F.col("path"))  # Stored contents stay in the JVM.
    read = _make_read(this_access())
    return photos.withColumn("content", F.coalesce("content", read(at_path)))


def _make_read(access: StoreAccess) -> Callable[[Column], Column]:
    read_file = make_reader(access)

    def read_or_none(path: str | None) -> bytes | None:
        found = None if path is None else read_file(path)
        return None if isinstance(found, Refusal) else found

    @F.pandas_udf("binary")
    def read(paths: pd.Series) -> pd.Series:
        return pd.Series([read_or_none(path) for path in paths], dtype=object)

    return read
