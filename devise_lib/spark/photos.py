"""The photos of all sources to PHOTOS, each file looked at by its header only."""

import re
from collections.abc import Iterator

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from devise_lib.config import IngestPhotos
from devise_lib.config_types import PhotoSource
from devise_lib.errors import InputError
from devise_lib.spark.cifar_photos import read_cifar
from devise_lib.spark.photo_files import read_source
from devise_lib.spark.photo_rows import CHECKED, photo_row, refuse, relative_path, spark_root
from devise_lib.spark.tables import Tables
from devise_lib.text.photo_labels import PhotoLabels, read_photo_labels


def new_photos(spark: SparkSession, config: IngestPhotos, tables: Tables) -> DataFrame:
    """The checked files of all sources, less those that an earlier run has taken.

    Column `known` is the digest of a photo that has the same id and other bytes, else null.
    """
    limits = (config.max_pixels, config.min_side)
    parts = [
        read_cifar(spark, source, *limits)
        if source.kind == "cifar"
        else check_photos(read_source(spark, source), source, *limits)
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


def refuse_doubled(fresh: DataFrame) -> None:
    """Stop where two files have one id, as those of a tar that lies beside its own folder.

    Raises:
        InputError: names two such files.
    """
    paths = F.array_sort(F.collect_list("path")).alias("paths")
    doubled = fresh.groupBy("photo_id").agg(paths).where("size(paths) > 1").limit(1).collect()
    if doubled:
        first, second, *_ = doubled[0]["paths"]
        raise InputError(
            f"{first} and {second} have the same name within their source, so they would have one "
            "id: leave out one of them (a tar or its folder), or give them sources of their own"
        )


def listed_without_photo(config: IngestPhotos, tables: Tables) -> int:
    """How many photos of the sources' lists of labels were neither taken nor refused."""
    missing = 0
    for source in config.sources():
        if source.labels:
            own = F.col("photo_set") == source.name
            found = tables.read("photos").where(own).count()
            if tables.exists("quarantine"):
                refused = tables.read("quarantine").where(own & (F.col("stage") == config.name))
                found += refused.where("reason <> 'no_label'").count()
            missing += len(read_photo_labels(source.labels, source.classes).by_name) - found
    return max(missing, 0)


def check_photos(
    files: DataFrame, source: PhotoSource, max_pixels: int, min_side: int
) -> DataFrame:
    """Files to rows of CHECKED: of PHOTOS, with reason and message where one is refused.

    Args:
        files: what `read_source` gives.
        source: where they come from; photo_id is made of its name and the path within it.
        max_pixels, min_side: see devise_lib.vision.images.

    Raises:
        InputError: the source's list of labels is not as it must be.
    """
    root = spark_root(source.path)
    listed = read_photo_labels(source.labels, source.classes) if source.labels else None

    def check(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        pattern = re.compile(source.label_pattern) if source.label_pattern else None
        for batch in batches:
            rows = []
            for row in batch.itertuples(index=False):
                relative = relative_path(row.path, root)
                label = _label_of(f"{root}/{relative}", pattern, listed)
                unlisted = f"it is not in {source.labels}" if listed and label is None else ""
                rows.append(
                    photo_row(
                        photo_set=source.name,
                        path=row.path,
                        relative=relative,
                        label=label,
                        test_share=source.test_share,
                        modification_time=row.modification_time,
                        content=row.content,
                        refusal=refuse(row.content, max_pixels, min_side, unlisted),
                    )
                )
            yield pd.DataFrame(rows, columns=CHECKED.names)

    return files.mapInPandas(check, CHECKED)


def _label_of(path: str, pattern: re.Pattern[str] | None, listed: PhotoLabels | None) -> str | None:
    if listed is not None:
        return listed.find(path)
    match = pattern.search(path) if pattern else None
    return match.group(1) if match else None
