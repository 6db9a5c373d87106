"""The recall of NEIGHBOURS, by exact search for a sample of photos."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from devise_lib.index.building.intake import take_in
from devise_lib.numerics.retrieval import recall_by_score, top_k
from devise_lib.spark.lsh.sampling import sample_embeddings

Batches = Iterator[pa.RecordBatch]
FOUND = "query int, photo_id string, score double"


def measure_recall(
    photos: DataFrame, neighbours: DataFrame, dimension: int, queries: int, k: int, seed: int
) -> float | None:
    """Return the share of the k exact neighbours that were found, for photos that the seed chooses.

    Equally near photos may replace one another. The driver holds `queries` embeddings.

    Args:
        photos: photo_id, embedding.
        neighbours: photo_id, rank and score of all photos.
        dimension: of the embeddings.
        queries: the number of photos to ask for; fewer if there are fewer.
        k: neighbours per photo.
        seed: of the sample.

    Returns:
        The recall; None if there are fewer than two photos.
    """
    ids, taken = sample_embeddings(photos, queries, seed, dimension)
    names = np.array(ids.to_pylist(), dtype=np.str_)[taken.kept]
    shared = photos.sparkSession.sparkContext.broadcast(taken.vectors.astype(np.float64))

    def search(batches: Batches) -> Batches:
        asked = shared.value
        for batch in batches:
            here = take_in(batch["photo_id"], batch["embedding"], asked.shape[1])
            if not len(here.kept):
                continue
            found, scores = top_k(asked, here.vectors.astype(np.float64), k + 1)
            columns = {
                "query": pa.array(np.repeat(np.arange(len(asked)), found.shape[1]), pa.int32()),
                "photo_id": batch["photo_id"].take(pa.array(here.kept[found.ravel()])),
                "score": pa.array(scores.ravel()),
            }
            yield pa.RecordBatch.from_pydict(columns)

    near = photos.select("photo_id", "embedding").mapInArrow(search, FOUND)
    best = Window.partitionBy("query").orderBy(F.desc("score"), "photo_id")
    ranked = near.withColumn("rank", F.row_number().over(best)).where(F.col("rank") <= k + 1)
    exact: dict[str, list[float]] = {name: [] for name in names.tolist()}
    for row in ranked.orderBy("query", "rank").collect():
        name = str(names[row["query"]])
        if row["photo_id"] != name:
            exact[name].append(row["score"])
    rows = neighbours.where(F.col("photo_id").isin(list(exact))).where(F.col("rank") <= k)
    got: dict[str, list[float]] = {name: [] for name in exact}
    for row in rows.select("photo_id", "score").collect():
        got[row["photo_id"]].append(row["score"])
    recalls = [
        recall_by_score(np.array([got[name] or [-np.inf]]), np.array([scores[:k]]))
        for name, scores in exact.items()
        if scores
    ]
    return float(np.mean(recalls)) if recalls else None
