"""Writes the large files of the demo's sample in Spark's tasks."""

from collections.abc import Iterator

from pyspark.sql import SparkSession

from devise_lib.sample.dump import write_dump
from devise_lib.sample.files import write_photos
from devise_lib.storage.folders import written_to
from devise_lib.storage.stores import this_access

PHOTOS_PER_TASK = 250


def write_in_tasks(spark: SparkSession, folder: str, articles: int, photos: int, seed: int) -> int:
    """Write the dump in one task and the photos in many; returns the number of photos.

    Args:
        spark: the session.
        folder: of the sample, on a disk or a store that all machines see.
        articles, photos: their numbers.
        seed: of all that is drawn.
    """
    access = this_access()
    jobs = [
        (start, min(start + PHOTOS_PER_TASK, photos)) for start in range(0, photos, PHOTOS_PER_TASK)
    ]

    def write(part: Iterator[tuple[int, int]]) -> Iterator[int]:
        access.open()
        for start, stop in part:
            with written_to(folder) as local:
                if stop < 0:
                    write_dump(local, articles, seed)
                else:
                    write_photos(local, start, stop, photos, seed)
                    yield stop - start

    tasks = [(0, -1), *jobs]  # the dump first, because it takes longest
    return int(spark.sparkContext.parallelize(tasks, len(tasks)).mapPartitions(write).sum())
