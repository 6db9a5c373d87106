"""Rows of PHOTOS that a higher revision of the same photo has replaced.

A changed photo gets a new row before its old one is deleted, so that a run that is killed between
the two loses nothing. Readers find such pairs, and delete them.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.spark.tables.delta_tables import Tables


def count_superseded(tables: Tables) -> int:
    """Rows of PHOTOS of which a higher revision is there.

    Where no photo has a second revision, no row is read: each file's greatest is in Delta's log.
    """
    if not tables.exists("photos") or tables.read("photos").where("revision > 1").isEmpty():
        return 0
    return _superseded(tables).count()


def drop_superseded(tables: Tables) -> int:
    """Delete the rows of PHOTOS of which a higher revision is there; returns their number."""
    count = count_superseded(tables)
    if count:
        delete_superseded(tables)
    return count


def delete_superseded(tables: Tables) -> None:
    """Delete the rows of PHOTOS of which a higher revision is there, without counting them."""
    tables.merge(
        "photos",
        _superseded(tables).select("photo_id", "newest").distinct(),
        "t.photo_id = s.photo_id AND t.revision < s.newest",
        lambda merge: merge.whenMatchedDelete(),
    )


def _superseded(tables: Tables) -> DataFrame:
    """photo_id, revision, newest of rows that are not the newest of their photo."""
    photos = tables.read("photos").select("photo_id", "revision")
    later = photos.where("revision > 1").groupBy("photo_id")
    newest = later.agg(F.max("revision").alias("newest"))
    return photos.join(newest, "photo_id").where("revision < newest")
