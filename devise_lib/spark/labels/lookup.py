"""LABELS for joins with other tables: one row per label, or one row per name of a label."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def dedupe_labels(labels: DataFrame) -> DataFrame:
    """Return LABELS with each label once, from the first set (by name) that has a vector for it.

    A label of several sets is seen only if every set calls it seen.
    """
    same = Window.partitionBy("label")
    place = F.row_number().over(same.orderBy(F.col("vector").isNull(), "label_set"))
    seen = F.min("seen").over(same)
    return labels.select("*", place.alias("place")).withColumn("seen", seen).where("place = 1")


def resolve_aliases(labels: DataFrame) -> DataFrame:
    """Return name, label, term, seen: each label by its own id and by each of its aliases.

    A name that is one label's id and another's alias means the label with that id. It is seen only
    if every label of that name is seen.
    """
    rows = dedupe_labels(labels).select(
        F.explode(F.array_union(F.array("label"), F.coalesce("aliases", F.array()))).alias("name"),
        "label",
        F.coalesce("term", F.element_at("terms", 1), "label").alias("term"),
        "seen",
    )
    same = Window.partitionBy("name")
    best = same.orderBy(F.col("label") != F.col("name"), "label")
    rows = rows.withColumns({"place": F.row_number().over(best), "seen": F.min("seen").over(same)})
    return rows.where("place = 1").drop("place")
