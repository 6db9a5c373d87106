"""The photos in archives: read if the archive has changed, and recorded until the run ends."""

from collections.abc import Iterator
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from devise_lib.spark.ingest.changes import duplicate_id_error, find_duplicate_id
from devise_lib.spark.ingest.checks import Limits
from devise_lib.spark.ingest.chunks import cut_into_chunks
from devise_lib.spark.ingest.cifar_files import find_cifar
from devise_lib.spark.ingest.cifar_records import check_cifar, plan_cifar
from devise_lib.spark.ingest.sources import Place
from devise_lib.spark.ingest.tar_source import check_ranges, plan_archives
from devise_lib.spark.tables.caching import Persist, Scratch


@dataclass(frozen=True)
class MemberReader:
    """Reads the archives of a source.

    Attributes:
        place: the source.
        limits: for its photos.
        file_bytes: bytes that a task reads.
        scratch: holds the ranges of later chunks.
        persist: persists a DataFrame for as long as the chunks are used.
    """

    place: Place
    limits: Limits
    file_bytes: int
    scratch: Scratch
    persist: Persist

    def read(self, archives: DataFrame, listed: DataFrame) -> Iterator[tuple[DataFrame, bool]]:
        """Read the archive members as rows of CHECKED, chunk by chunk.

        Args:
            archives: path and size_bytes of those to read.
            listed: photo_set, path, state of all files and archives of the run.

        Returns:
            Each chunk, and whether a member may have the id of a file outside the chunk.
        """
        spark, source = archives.sparkSession, self.place.source
        if source.kind == "cifar":
            changed = {row["path"] for row in archives.select("path").collect()}  # a few files
            found = find_cifar(spark, source.path)
            plan = self.persist(plan_cifar(spark, found, changed, source.include))
            for chunk in cut_into_chunks(plan, self.file_bytes, self.scratch):
                yield check_cifar(chunk.work, source, found, self.limits), True
            return
        plan = self.persist(plan_archives(archives, self.place))
        own = listed.where(F.col("photo_set") == source.name)
        may_meet = not plan.where("is_mixed").isEmpty() or archives_meet_files(own)
        for chunk in cut_into_chunks(plan, self.file_bytes, self.scratch):
            yield check_ranges(chunk.work, self.place, self.limits), may_meet


def archives_meet_files(listed: DataFrame) -> bool:
    """Return whether anything lies in the folder that a tar stands for: a, for a tar named a.tar.

    Only then can a member of the tar have the id of another file.

    Args:
        listed: path, state of the files and archives of one source.
    """
    stands_for = listed.where("state = 'archive'").select(_folder(F.col("path")).alias("folder"))
    # An archive is no parent of itself, so the last part of its path is left out, too.
    parents = listed.select(F.regexp_extract("path", "^(.*)/[^/]*$", 1).alias("parent")).distinct()
    parts = F.split("parent", "/")
    above = F.transform(
        F.sequence(F.lit(1), F.size(parts)),
        lambda count: F.array_join(F.slice(parts, F.lit(1), count), "/"),
    )
    folders = parents.select(F.explode(above).alias("folder"))
    return not folders.join(stands_for, "folder", "left_semi").isEmpty()


def _folder(path: Column) -> Column:
    return F.regexp_replace(path, r"\.tar$", "")


class Members:
    """The ids of the archive members that a run has read, on disk because they may be many.

    Args:
        listed: photo_id and path of the run's files; no member may have the id of one.
        scratch: holds the ids.
    """

    def __init__(self, listed: DataFrame, scratch: Scratch) -> None:
        self._listed, self._scratch = listed.select("photo_id", "path"), scratch
        self._read: DataFrame | None = None

    def add(self, checked: DataFrame, may_meet: bool) -> None:
        """Add the members of a chunk.

        Args:
            checked: the chunk.
            may_meet: whether a member may have the id of a file outside the chunk. If so, all
                earlier ids are read and compared.

        Raises:
            InputError: two members have the same id, or one has that of a file beside the archive.
        """
        found = checked.select("photo_id", "path")
        if duplicate := find_duplicate_id(found):
            raise duplicate_id_error(*duplicate[1:])
        if may_meet:
            others = self.seen().withColumnRenamed("path", "other")
            twice = found.join(others, "photo_id").select("path", "other").limit(1).collect()
            if twice:
                raise duplicate_id_error(*sorted(twice[0]))
        self._read = self._scratch.save(found, "members", more=True)

    def seen(self) -> DataFrame:
        """Return every file and member of the run so far: photo_id, path."""
        return self._listed if self._read is None else self._listed.union(self._read)
