"""Some groups of DUPLICATE_GROUPS for the report."""

from collections.abc import Mapping, Sequence

from pyspark.sql import Row, Window
from pyspark.sql import functions as F

from devise_lib.report.content import DuplicateGroup, Duplicates, Hit, Photo
from devise_lib.spark.report.model_space import ModelSpace

GROUPS, OF_A_GROUP = 8, 6  # groups on the page, and photos of each


def read_duplicates(space: ModelSpace) -> tuple[int, int, Sequence[Row]]:
    """Return the number of groups, that of their photos, and rows of the largest groups.

    The rows of a group follow one another, the representative first.
    """
    groups = space.of_model("duplicate_groups")
    if groups is None:
        return 0, 0, []
    first = groups.where("is_representative").orderBy(F.desc("photos"), "group_id")
    shown = [row["group_id"] for row in first.select("group_id").limit(GROUPS).collect()]
    if not shown:
        return 0, 0, []
    counts = groups.agg(F.countDistinct("group_id").alias("groups"), F.count("*").alias("photos"))
    total = counts.collect()[0]
    best_first = Window.partitionBy("group_id").orderBy(
        F.desc("is_representative"), F.desc("score"), "photo_id"
    )
    rows = (
        groups.where(F.col("group_id").isin(shown))
        .withColumn("place", F.row_number().over(best_first))
        .where(F.col("place") <= OF_A_GROUP)
        .collect()
    )
    rows.sort(key=lambda row: (shown.index(row["group_id"]), row["place"]))
    return total["groups"], total["photos"], rows


def show_duplicates(
    groups: int, photos: int, rows: Sequence[Row], found: Mapping[str, Photo]
) -> Duplicates | None:
    """Return the groups with their photos; None if there is no group.

    Args:
        groups, photos, rows: of `read_duplicates`.
        found: the photos of the rows by id; a photo that is missing is left out.
    """
    if not groups:
        return None
    by_group: dict[str, list[Row]] = {}
    for row in rows:
        by_group.setdefault(row["group_id"], []).append(row)
    shown = [
        DuplicateGroup(
            [
                Hit(found[row["photo_id"]], row["score"], None)
                for row in members
                if row["photo_id"] in found
            ],
            members[0]["photos"],
        )
        for members in by_group.values()
    ]
    return Duplicates(groups, photos, shown)
