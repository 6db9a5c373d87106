"""The embeddings that count: those of one model at a version, whose photos are still there."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.errors import InputError
from devise_lib.spark.tables.delta_tables import Tables

# What Spark says of a value that SQL cannot compute with (data exceptions of standard SQL).
DATA_FAULT = re.compile(r"\[[A-Z_.]+\].*?SQLSTATE: 22\w+")


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


@contextmanager
def data_faults_told(condition: str) -> Iterator[None]:
    """Turn a fault of a condition's values, while photos are computed, into an InputError."""
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        fault = DATA_FAULT.search(str(error)) if condition else None
        if not fault:
            raise
        raise InputError(
            f"find_neighbours.among is {condition!r}, which cannot be computed for all photos "
            f"({fault[0]}): compare columns with values of their types"
        ) from error


def photos_that(tables: Tables, condition: str, version: int) -> DataFrame:
    """Return photo_id of the photos that fulfil a condition on a version of PHOTOS.

    Their newest revisions count.

    Raises:
        InputError: there is no PHOTOS, or the condition is no SQL on its columns.
    """
    tables.require("photos")
    photos = tables.read("photos", version).drop("content")
    columns = [name for name in photos.columns if name != "photo_id"]
    last = F.max_by(F.struct(*columns), "revision").alias("last")
    newest = photos.groupBy("photo_id").agg(last).select("photo_id", "last.*")
    try:
        return newest.where(condition).select("photo_id")
    except AnalysisException as error:
        raise InputError(
            f"find_neighbours.among is {condition!r}, which is no condition on columns of PHOTOS "
            f"({', '.join(newest.columns)}): give one such as \"owner = 'ann'\""
        ) from error
