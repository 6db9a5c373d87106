"""Files to PHOTOS: folders and tars, each file looked at by its header only."""

import hashlib
import io
import os
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
GLOB = re.compile(r"[][{}*?\\]")  # what Spark would take as a pattern
SKIPPED = re.compile(r"_[^=]*$")  # names that Spark takes for its own bookkeeping
MAX_ARCHIVE_BYTES = 2**30  # an archive is held in memory by the task that unpacks it

CHECKED = StructType(
    [
        *PHOTOS.fields,
        StructField("reason", StringType()),
        StructField("message", StringType()),
    ]
)


def new_photos(spark: SparkSession, config: IngestPhotos, tables: Tables) -> DataFrame:
    """The checked files of all sources, less those that an earlier run has taken.

    Column `known` is the digest of a photo that has the same id and other bytes, else null.
    """
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
    if tables.exists("quarantine"):
        checked = checked.join(
            tables.read("quarantine").select("photo_id"), "photo_id", "left_anti"
        )
    if not tables.exists("photos"):
        return checked.withColumn("known", F.lit(None).cast("string"))
    known = tables.read("photos").select("photo_id", F.col("sha256").alias("known"))
    joined = checked.join(known, "photo_id", "left")
    return joined.where("known IS NULL OR known <> sha256")


def earlier_results(tables: Tables) -> tuple[int, DataFrame]:
    """Files that earlier runs have taken, refused ones included, and the reasons of those."""
    refused = tables.spark.createDataFrame([], "reason string")
    if tables.exists("quarantine"):
        refused = tables.read("quarantine").where("stage = 'ingest_photos'")
    photos = tables.read("photos").count() if tables.exists("photos") else 0
    return photos + refused.count(), refused.select("reason")


def refuse_changed(fresh: DataFrame) -> None:
    """Stop where a file has the id of a photo that is there already, but other bytes.

    Raises:
        InputError: names one such file.
    """
    changed = fresh.where("known IS NOT NULL").select("path", "photo_set").limit(1).collect()
    if changed:
        path, name = changed[0]
        raise InputError(
            f"{path} has the id of a photo of the set {name!r} that was ingested with other bytes: "
            "it was changed since, or another folder was ingested under this name. Give the "
            'source a name of its own, as in ingest_photos.source=[{path="...", name="..."}]'
        )


def read_source(spark: SparkSession, source: PhotoSource) -> DataFrame:
    """Every file of a source: path, modification_time, content; an archive's members as files.

    Hidden files, those below a name that begins with a dot, are no photos and are left out.

    Raises:
        InputError: the path is missing, or too large an archive, or there is no file.
    """
    path = local_path(source.path)
    if path is not None and not path.exists():
        raise InputError(
            f"ingest_photos.source: there is no {source.path!r}; give a path that exists"
        )
    is_folder = path is not None and path.is_dir()
    if path is not None and is_folder and next(_visible_files(str(path), True), None) is None:
        raise InputError(f"ingest_photos.source: {source.path!r} has no file in it")
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", True)
    files = reader.load(source.path if path is None else GLOB.sub(r"\\\g<0>", str(path))).select(
        "path", F.col("modificationTime").alias("modification_time"), "content"
    )
    if path is not None and is_folder:
        files = files.unionByName(_passed_over(spark, path))
    elif source.path.endswith(".tar"):
        if path is not None and path.stat().st_size > MAX_ARCHIVE_BYTES:
            raise InputError(
                f"ingest_photos.source: {source.path!r} has {path.stat().st_size:,} bytes, and a "
                f"tar of at most {MAX_ARCHIVE_BYTES:,} is read; give several smaller ones"
            )
        members = files.mapInPandas(_unpack, FILES)
        files = members.repartition(spark.sparkContext.defaultParallelism * 4)
    return files.where(F.col("path").rlike(source.include)) if source.include else files


def _passed_over(spark: SparkSession, folder: Path) -> DataFrame:
    """What Spark's reader leaves out of a folder without a word: rows of FILES.

    These are files without a byte, and what lies below a name that begins with _ , as cameras
    name photos (_MG_0001.JPG).
    """
    root = str(folder)

    def find(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            for top, deep in batch.itertuples(index=False):
                for path in _visible_files(top, deep):
                    status, parts = os.stat(path), path.removeprefix(root).split("/")
                    if status.st_size and not any(map(SKIPPED.match, parts)):
                        continue
                    when = pd.Timestamp(status.st_mtime, unit="s", tz="UTC")
                    yield _file_row("file:" + path, when, Path(path).read_bytes())

    # By subfolder, so that a listing as long as the photos are many is never on the driver.
    below = [(str(p), True) for p in folder.iterdir() if p.is_dir() and not is_hidden(p.name)]
    plan = spark.createDataFrame([(root, False), *below], "top string, deep boolean")
    return plan.repartition(spark.sparkContext.defaultParallelism).mapInPandas(find, FILES)


def _visible_files(top: str, deep: bool) -> Iterator[str]:
    """Paths of the files of a folder, and where `deep` of those below it; none that is hidden."""
    for folder, below, names in os.walk(top, followlinks=True):
        below[:] = [name for name in below if deep and not is_hidden(name)]
        yield from (f"{folder}/{name}" for name in names if not is_hidden(name))


def is_hidden(path: str) -> bool:
    """Whether a part of a path begins with a dot, as .DS_Store and ._photo.jpg do."""
    return any(part.startswith(".") and part.strip(".") for part in path.split("/"))


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
    name, pattern, test_share = source.name, source.label_pattern, source.test_share

    def check(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        label_of = re.compile(pattern) if pattern else None
        for batch in batches:
            rows = []
            for row in batch.itertuples(index=False):
                refusal = inspect(row.content, max_pixels, min_side)
                relative = row.path.removeprefix(root).lstrip("/" + MEMBER)
                match = label_of.search(f"{root}/{relative}") if label_of else None
                rows.append(
                    (
                        make_photo_id(name, relative),
                        name,
                        row.path,
                        match.group(1) if match else None,
                        test_share,
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


def local_path(path: str) -> Path | None:
    """The absolute path of a source on this machine; None for one in another store."""
    plain = path.removeprefix("file://").removeprefix("file:")
    return None if "://" in plain else Path(os.path.abspath(plain))  # keeps links, as Spark does


def spark_root(path: str) -> str:
    """A source's path as Spark's file sources write it, so that it can be cut off."""
    local = local_path(path)
    return path.rstrip("/") if local is None else f"file:{local}"


def _unpack(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The files of each archive; nothing is written to disk, links and devices are passed over."""
    for batch in batches:
        for row in batch.itertuples(index=False):
            try:
                with tarfile.open(fileobj=io.BytesIO(row.content), mode="r:") as archive:
                    # As tar does: of members of one name the last one counts. A sparse member
                    # may claim more bytes than the archive has: it is no photo, but a bomb.
                    files = (m for m in archive if m.isfile() and not m.issparse())
                    by_name = {os.path.normpath(m.name): m for m in files}
                    for name, member in by_name.items():
                        opened = archive.extractfile(member)
                        if opened is not None and not is_hidden(name):
                            when = pd.Timestamp(member.mtime, unit="s", tz="UTC")
                            yield _file_row(f"{row.path}{MEMBER}{name}", when, opened.read())
            except (tarfile.TarError, EOFError, OSError) as error:
                raise InputError(
                    f"ingest_photos.source: {row.path} cannot be read as a tar ({error}); "
                    "give a whole, uncompressed tar"
                ) from error


def _file_row(path: str, modification_time: pd.Timestamp, content: bytes) -> pd.DataFrame:
    columns = {"path": [path], "modification_time": [modification_time], "content": [content]}
    return pd.DataFrame(columns)
