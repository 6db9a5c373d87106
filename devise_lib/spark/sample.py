"""Writes the large files of the demo's sample in Spark's tasks."""

from collections.abc import Iterator
from pathlib import Path

from pyspark.sql import SparkSession

from devise_lib.sample.dump import write_dump
from devise_lib.sample.files import write_photos

PHOTOS_PER_TASK = 250


def write_in_tasks(spark: SparkSession, folder: Path, articles: int, photos: int, seed: int) -> int:
    """Write the dump in one task and the photos in many; returns the number of photos."""
    jobs = [
        (start, min(start + PHOTOS_PER_TASK, photos)) for start in range(0, photos, PHOTOS_PER_TASK)
    ]

    def write(part: Iterator[tuple[int, int]]) -> Iterator[int]:
        for start, stop in part:
            if stop < 0:
                write_dump(folder, articles, seed)
            else:
                write_photos(folder, start, stop, photos, seed)
                yield stop - start

    tasks = [(0, -1), *jobs]  # the dump first, because it takes longest
    return int(spark.sparkContext.parallelize(tasks, len(tasks)).mapPartitions(write).sum())
