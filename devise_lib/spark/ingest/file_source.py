"""Lists the files of folders, globs and single paths in any file system."""

from collections.abc import Callable

import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from devise_lib.errors import InputError
from devise_lib.spark.ingest.listing import list_files, walk
from devise_lib.spark.ingest.rows import LISTED, Frames
from devise_lib.spark.ingest.sources import Description, Place, make_describer
from devise_lib.spark.tables.caching import Persist
from devise_lib.storage.stores import store_files

TAR = ".tar"


def list_source(spark: SparkSession, place: Place, persist: Persist) -> DataFrame:
    """Return every file that the source takes, as rows of LISTED. A tar has no photo_id.

    Hidden files, and files below a folder whose name begins with a dot, are left out.

    Raises:
        InputError: a folder cannot be listed.
    """
    source, describe = place.source, make_describer(place)

    def rows(batches: Frames) -> Frames:
        for batch in batches:
            taken = [
                (*_described(path, describe), size, modified_us)
                for path, size, modified_us in batch.itertuples(index=False)
                if (place.holds(path) if path.endswith(TAR) else place.takes(path))
            ]
            yield pd.DataFrame(
                [
                    (i, source.name, path, label, owner, source.test_share, size, time, None, fault)
                    for i, label, owner, fault, path, size, time in taken
                ],
                columns=LISTED.names,
            )

    return list_files(spark, place, persist).mapInPandas(rows, LISTED)


def _described(
    path: str, describe: Callable[[str], Description]
) -> tuple[str | None, str | None, str | None, str, str]:
    return (None, None, None, "", path) if path.endswith(TAR) else (*describe(path), path)


def refuse_empty(place: Place) -> None:
    """Raise InputError if a source of which nothing was listed is empty: a disk may not be mounted.

    Raises:
        InputError: its folder has no file, or its pattern matches none.
    """
    path = place.source.path
    if place.glob:
        raise InputError(f"ingest_photos.source: {path!r} matches no file: check the pattern")
    start = place.start
    if start is not None and start.is_folder:
        if next(walk(store_files(), start.path, start.path), None) is not None:
            return
        raise InputError(f"ingest_photos.source: {path!r} has no file in it")
