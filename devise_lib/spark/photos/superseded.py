"""Rows of PHOTOS that a higher revision of the same photo has replaced.

A changed photo gets its new row before its old row is deleted. So a run that is killed between the
two steps loses nothing. Readers look for such pairs, and delete the old rows.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.spark.tables.delta_tables import Tables


def count_superseded(tables: Tables) -> int:
    """Return the number of rows of PHOTOS with a higher revision of the same photo beside them.

    If no photo has a second revision, no row is read: Delta's log has the greatest of each file.
    """
    if not tables.exists("photos") or tables.read("photos").where("revision > 1").isEmpty():
        return 0
    return _superseded(tables).count()


def drop_superseded(tables: Tables) -> int:
    """Delete the rows of PHOTOS that have a higher revision of the same photo beside them.

    Returns:
        The number of deleted rows.
    """
    count = count_superseded(tables)
    if count:
        delete_superseded(tables)
    return count


def delete_superseded(tables: Tables) -> None:
    """Delete superseded rows of PHOTOS without counting them: a higher revision is beside each."""
    tables.merge(
        "photos",
        _superseded(tables).select("photo_id", "newest").distinct(),
        "t.photo_id = s.photo_id AND t.revision < s.newest",
        lambda merge: merge.whenMatchedDelete(),
    )


def _superseded(tables: Tables) -> DataFrame:
    """Return photo_id, revision and newest of the rows that are not the newest of their photo."""
    photos = tables.read("photos").select("photo_id", "revision")
    later = photos.where("revision > 1").groupBy("photo_id")
    newest = later.agg(F.max("revision").alias("newest"))
    return photos.join(newest, "photo_id").where("revision < newest")
