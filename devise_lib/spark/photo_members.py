"""The photos in archives: read when the archive changed, and remembered until the run ends."""

from collections.abc import Iterator

from pyspark.sql import DataFrame

from devise_lib.spark.cifar_files import find_cifar
from devise_lib.spark.cifar_photos import check_cifar, plan_cifar
from devise_lib.spark.kept import Keep, Scratch
from devise_lib.spark.photo_archives import check_ranges, plan_archives
from devise_lib.spark.photo_changes import find_doubled, two_files
from devise_lib.spark.photo_checking import Limits
from devise_lib.spark.photo_chunks import cut_into_chunks
from devise_lib.spark.photo_sources import Place


def check_members(
    archives: DataFrame, place: Place, limits: Limits, file_bytes: int, keep: Keep
) -> Iterator[DataFrame]:
    """The members of a source's archives as rows of CHECKED, a chunk at a time.

    Args:
        archives: path, size_bytes, of those that are to be read.
        place: the source.
        limits: for its photos.
        file_bytes: that a task reads.
        keep: persists a DataFrame for as long as the chunks are used.
    """
    spark, source = archives.sparkSession, place.source
    if source.kind == "cifar":
        changed = {row["path"] for row in archives.select("path").collect()}  # a few files
        found = find_cifar(spark, source.path)
        for chunk in cut_into_chunks(
            keep(plan_cifar(spark, found, changed, source.include)), file_bytes
        ):
            yield check_cifar(chunk, source, found, limits)
    else:
        for chunk in cut_into_chunks(keep(plan_archives(archives, place)), file_bytes):
            yield check_ranges(chunk, place, limits)


class Members:
    """The ids of the members that a run has read: on disk, since they may be many.

    Args:
        listed: photo_id and path of the run's files, which no member may have the id of.
        scratch: where they are kept.
    """

    def __init__(self, listed: DataFrame, scratch: Scratch) -> None:
        self._listed, self._scratch = listed.select("photo_id", "path"), scratch
        self._read: DataFrame | None = None

    def add(self, checked: DataFrame) -> None:
        """Note a chunk's members.

        Raises:
            InputError: two of them have one id, or one has that of a file beside the archive.
        """
        found = checked.select("photo_id", "path")
        if doubled := find_doubled(found):
            raise two_files(*doubled[1:])
        others = self.seen().withColumnRenamed("path", "other")
        twice = found.join(others, "photo_id").select("path", "other").limit(1).collect()
        if twice:
            raise two_files(*sorted(twice[0]))
        self._read = self._scratch.save(found, "members", more=True)

    def seen(self) -> DataFrame:
        """Every file and member of the run so far: photo_id, path."""
        return self._listed if self._read is None else self._listed.union(self._read)
