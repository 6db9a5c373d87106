"""NEIGHBOURS: the k photos nearest to each photo, found by the index or by the signatures."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from devise_lib.errors import InputError
from devise_lib.index.bundle import IDS_FILE, Bundle
from devise_lib.spark.platform.literal_paths import read_parquet
from devise_lib.spark.platform.stores import spark_path
from devise_lib.spark.search.lsh import nearest_in_buckets
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.vector_columns import to_matrix
from devise_lib.storage.stores import StoreAccess, this_access

Batches = Iterator[pa.RecordBatch]


def by_index(embeddings: DataFrame, bundle: Bundle, model_id: str, k: int) -> DataFrame:
    """Return NEIGHBOURS of every photo of `embeddings` among those of the index.

    Photos that are newer than the index have neighbours, too. But they are nobody's neighbour until
    the index is built again.

    Args:
        embeddings: photo_id, embedding, of one model.
        bundle: an index.
        model_id: the model of the embeddings.
        k: neighbours per photo.

    Raises:
        InputError: the index is of another model.
    """
    bundle.require_model(model_id)
    found = embeddings.select("photo_id", "embedding").mapInArrow(
        _make_search(bundle, k, this_access()), "photo_id string, row long, score float"
    )
    ids = read_ids(embeddings.sparkSession, bundle).withColumnRenamed("photo_id", "neighbour_id")
    named = found.join(ids, "row")
    return rank(named, k, model_id, bundle.name)


def read_ids(spark: SparkSession, bundle: Bundle) -> DataFrame:
    """Return the photos of an index: row, photo_id."""
    return read_parquet(spark, spark_path(spark, f"{bundle.folder}/{IDS_FILE}"))


def by_signatures(tables: Tables, model_id: str, k: int, max_bucket: int) -> DataFrame:
    """Return NEIGHBOURS of the photos of a model among those that share a bucket with them.

    A photo that is alone in all its buckets has none.

    Args:
        tables: with EMBEDDINGS and SIGNATURES.
        model_id: of the model.
        k: neighbours per photo.
        max_bucket: photos that one photo is compared with in one bucket.

    Raises:
        InputError: SIGNATURES has no photo of the model.
    """
    of_model = F.col("model_id") == model_id
    signatures = tables.read("signatures").where(of_model)
    first = signatures.first()
    if first is None:
        raise InputError(
            f"SIGNATURES has no photo of model {model_id}: run build_signatures with it"
        )
    embeddings = tables.read("embeddings").where(of_model)
    pairs = nearest_in_buckets(embeddings, signatures, k, max_bucket)
    once = pairs.groupBy("photo_id", "neighbour_id").agg(F.max("score").alias("score"))
    return rank(once, k, model_id, first["hash_id"])


def rank(pairs: DataFrame, k: int, model_id: str, source: str) -> DataFrame:
    """Return NEIGHBOURS from distinct pairs (photo_id, neighbour_id, score), with ranks 1 to k.

    Equal scores are ordered by neighbour_id. A photo is not its own neighbour. Rounding may lift a
    cosine above 1, which no reader expects, so scores are limited to [-1, 1].
    """
    best_first = Window.partitionBy("photo_id").orderBy(F.desc("score"), "neighbour_id")
    return (
        pairs.where("photo_id != neighbour_id")
        .withColumn("rank", F.row_number().over(best_first))
        .where(F.col("rank") <= k)
        .select(
            "photo_id",
            "neighbour_id",
            "rank",
            F.greatest(F.least("score", F.lit(1.0)), F.lit(-1.0)).cast("float").alias("score"),
            F.lit(model_id).alias("model_id"),
            F.lit(source).alias("source"),
        )
    )


def _make_search(bundle: Bundle, k: int, access: StoreAccess) -> Callable[[Batches], Batches]:
    """Return the function over batches of photos; each worker process maps the index once."""
    nprobe, nlist, dimension = (
        bundle.manifest.nprobe,
        bundle.manifest.nlist,
        bundle.manifest.dimension,
    )
    wanted = min(k + 1, bundle.manifest.n)  # one more, because the photo finds itself

    def search(batches: Batches) -> Batches:
        access.open()
        index = bundle.open_index()
        for batch in batches:
            queries = to_matrix(batch["embedding"], dimension)
            rows, scores = index.search(queries, wanted, nprobe)
            short = (rows < 0).any(axis=1)  # If the probed lists hold fewer, search all.
            if short.any():
                rows[short], scores[short] = index.search(queries[short], wanted, nlist)
            yield pa.RecordBatch.from_pydict(
                {
                    "photo_id": batch["photo_id"].take(
                        pa.array(np.repeat(np.arange(len(rows)), wanted))
                    ),
                    "row": pa.array(rows.ravel()),
                    "score": pa.array(scores.ravel()),
                }
            )

    return search
