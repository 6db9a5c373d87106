"""The photos and labels of the report's map, which are also photos to search among."""

from pyspark.sql import functions as F

from devise_lib.numerics.vectors import stack_rows
from devise_lib.report.content import MapPoints
from devise_lib.spark.labels.sampling import choose_labels, sample_evenly
from devise_lib.spark.report.model_space import ModelSpace

MAP_LABELS = 8  # labels with many photos on the map, half of them unseen if there are enough


def sample_map(space: ModelSpace, n: int) -> MapPoints | None:
    """Return all labels with a vector and n photos; None if there are no such labels.

    Half of the photos are of the labels that have most photos, so that the map shows how they
    spread. The others are of as many other labels as possible, or have no label.
    """
    labels = [row for row in space.labels if row["vector"]]
    if not labels or len(labels[0]["vector"]) != space.dimension:
        return None
    chosen = choose_labels(space.unseen, space.seen, MAP_LABELS)
    is_chosen = F.coalesce(F.col("truth").isin(chosen), F.lit(False))
    others = sample_evenly(space.embeddings.where(~is_chosen), "truth", n // 2)
    columns = ("truth", "label", "embedding", "photo_id")
    rows = others.select(*columns).collect()
    of_chosen = sample_evenly(space.embeddings.where(is_chosen), "truth", n - len(rows))
    photos = sorted(
        of_chosen.select(*columns).collect(),
        key=lambda row: (chosen.index(row["truth"]), row["photo_id"]),
    )
    photos += rows
    name_of = {row["label"]: row["term"] or row["terms"][0] for row in space.labels}
    return MapPoints(
        names=[name_of[row["label"]] for row in labels],
        seen=[row["seen"] for row in labels],
        vectors=stack_rows([row["vector"] for row in labels], space.dimension),
        photo_labels=[name_of.get(row["truth"]) or row["label"] or "" for row in photos],
        embeddings=stack_rows([row["embedding"] for row in photos], space.dimension),
        photo_ids=[row["photo_id"] for row in photos],
    )
