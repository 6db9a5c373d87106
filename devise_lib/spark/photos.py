"""Files to PHOTOS: folders and tars, each file looked at by its header only."""

import hashlib
import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from devise_lib.config import IngestPhotos
from devise_lib.config_types import PhotoSource
from devise_lib.errors import InputError
from devise_lib.spark.schemas import PHOTOS
from devise_lib.spark.tables import Tables
from devise_lib.vision.images import inspect

FILES = "path string, modification_time timestamp, content binary"
MEMBER = "!"  # between an archive's path and the path of a member
MAX_ARCHIVE_BYTES = 2**30  # an archive is held in memory by the task that unpacks it

CHECKED = StructType(
    [
        *PHOTOS.fields,
        StructField("reason", StringType()),
        StructField("message", StringType()),
    ]
)


def new_photos(spark: SparkSession, config: IngestPhotos, tables: Tables) -> DataFrame:
    """The checked files of all sources, less those that an earlier run has taken."""
    parts = [
        check_photos(
            read_source(spark, source),
            source,
            spark_root(source.path),
            config.max_pixels,
            config.min_side,
        )
        for source in config.sources()
    ]
    checked = parts[0]
    for part in parts[1:]:
        checked = checked.unionByName(part)
    for name in filter(tables.exists, ("photos", "quarantine")):
        checked = checked.join(tables.read(name).select("photo_id"), "photo_id", "left_anti")
    return checked


def read_source(spark: SparkSession, source: PhotoSource) -> DataFrame:
    """Every file of a source: path, modification_time, content; an archive's members as files.

    Raises:
        InputError: the path is missing, or too large an archive, or there is no file.
    """
    path = Path(source.path)
    if "://" not in source.path and not path.exists():
        raise InputError(
            f"ingest_photos.source: there is no {source.path!r}; give a path that exists"
        )
    if path.is_dir() and next((p for p in path.rglob("*") if p.is_file()), None) is None:
        raise InputError(f"ingest_photos.source: {source.path!r} has no file in it")
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", True)
    files = reader.load(source.path).select(
        "path", F.col("modificationTime").alias("modification_time"), "length", "content"
    )
    if source.path.endswith(".tar"):
        if path.exists() and path.stat().st_size > MAX_ARCHIVE_BYTES:
            raise InputError(
                f"ingest_photos.source: {source.path!r} has {path.stat().st_size:,} bytes, and a "
                f"tar of at most {MAX_ARCHIVE_BYTES:,} is read; give several smaller ones"
            )
        members = files.drop("length").mapInPandas(_unpack, FILES)
        files = members.repartition(spark.sparkContext.defaultParallelism * 4)
    chosen = files.where(F.col("path").rlike(source.include)) if source.include else files
    return chosen.drop("length")


def check_photos(
    files: DataFrame, source: PhotoSource, root: str, max_pixels: int, min_side: int
) -> DataFrame:
    """Files to rows of PHOTOS, with reason and message where the header tells against one.

    Args:
        files: what `read_source` gives.
        source: where they come from; photo_id is made of its name and the path below `root`.
        root: the source's path as Spark writes it.
        max_pixels, min_side: see devise_lib.vision.images.
    """
    name, pattern, held_out = source.name, source.label_pattern, source.held_out

    def check(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        label_of = re.compile(pattern) if pattern else None
        for batch in batches:
            rows = []
            for row in batch.itertuples(index=False):
                refusal = inspect(row.content, max_pixels, min_side)
                relative = row.path.removeprefix(root).lstrip("/" + MEMBER)
                match = label_of.search(row.path) if label_of else None
                rows.append(
                    (
                        make_photo_id(name, relative),
                        name,
                        row.path,
                        match.group(1) if match else None,
                        held_out,
                        len(row.content),
                        row.modification_time,
                        hashlib.sha256(row.content).hexdigest(),
                        row.content,
                        refusal.reason.value if refusal else None,
                        refusal.message if refusal else None,
                    )
                )
            yield pd.DataFrame(rows, columns=CHECKED.names)

    return files.mapInPandas(check, CHECKED)


def make_photo_id(photo_set: str, relative_path: str) -> str:
    """The same id wherever the source lies: 32 hexadecimal digits."""
    return hashlib.sha256(f"{photo_set}/{relative_path}".encode()).hexdigest()[:32]


def spark_root(path: str) -> str:
    """A source's path as Spark's file sources write it, so that it can be cut off."""
    return path if "://" in path else "file:" + str(Path(path).resolve())


def _unpack(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The files of each archive; nothing is written to disk, links and devices are passed over."""
    for batch in batches:
        for row in batch.itertuples(index=False):
            with tarfile.open(fileobj=io.BytesIO(row.content)) as archive:
                for member in archive:
                    opened = archive.extractfile(member) if member.isfile() else None
                    if opened is not None:
                        when = pd.Timestamp(member.mtime, unit="s", tz="UTC")
                        path = f"{row.path}{MEMBER}{member.name}"
                        yield pd.DataFrame(
                            {
                                "path": [path],
                                "modification_time": [when],
                                "content": [opened.read()],
                            }
                        )
