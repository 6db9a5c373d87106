"""Random-hyperplane signatures (LSH) of EMBEDDINGS, and neighbours by shared buckets."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import Broadcast
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, LongType

from devise_lib.config.search import BuildSignatures
from devise_lib.errors import InputError
from devise_lib.numerics.hashing import buckets, hyperplanes
from devise_lib.numerics.retrieval import top_k
from devise_lib.numerics.vectors import stack_rows
from devise_lib.spark.tables.schemas import HASHES
from devise_lib.spark.tables.vector_columns import to_matrix

PAIRS = "photo_id string, neighbour_id string, score float"


def require_dimension(embeddings: DataFrame, model_id: str) -> int:
    """Return the length of the embeddings of a model.

    Raises:
        InputError: there is none, their lengths differ, or one is null.
    """
    length = F.size("embedding")  # For a null it is null under ANSI rules, otherwise -1.
    found = embeddings.agg(
        F.count("*").alias("n"),
        F.min(length).alias("least"),
        F.max(length).alias("most"),
        F.count_if(F.col("embedding").isNull() | F.col("photo_id").isNull()).alias("nulls"),
    ).first()
    if found is None or not found["n"]:
        raise InputError(f"EMBEDDINGS has no photo of model {model_id}: run embed_photos with it")
    if found["nulls"] or found["least"] != found["most"]:
        raise InputError(
            f"the embeddings of model {model_id} have {found['least']} to {found['most']} numbers "
            f"and {found['nulls']} are null, want one length: they do not come from embed_photos"
        )
    return int(found["most"])


def make_hash(
    embeddings: DataFrame, config: BuildSignatures, model_id: str, dimension: int
) -> DataFrame:
    """Return the row of HASHES for a model: the parameters and the hyperplanes.

    Args:
        embeddings: gives the session.
        config: bits, tables and seed.
        model_id: of the model.
        dimension: of an embedding.
    """
    planes = hyperplanes(dimension, config.bits, config.tables, config.seed)
    shape = f"d{dimension}-b{config.bits}-t{config.tables}-s{config.seed}"
    row = {
        "hash_id": f"{model_id}-{shape}",
        "model_id": model_id,
        "dimension": dimension,
        "bits": config.bits,
        "tables": config.tables,
        "seed": config.seed,
        "hyperplanes": planes.ravel().tolist(),
    }
    return embeddings.sparkSession.createDataFrame([row], HASHES)


def sign(embeddings: DataFrame, hash_row: DataFrame) -> DataFrame:
    """Return SIGNATURES of EMBEDDINGS, by the hash of one row of HASHES."""
    [made] = hash_row.collect()
    planes = np.array(made["hyperplanes"], dtype=np.float32).reshape(-1, made["dimension"])
    shared = embeddings.sparkSession.sparkContext.broadcast(planes)
    return embeddings.select(
        "photo_id",
        "model_id",
        F.lit(made["hash_id"]).alias("hash_id"),
        _make_sign(shared, made["bits"])("embedding").alias("buckets"),
    )


def nearest_in_buckets(
    embeddings: DataFrame, signatures: DataFrame, k: int, max_bucket: int
) -> DataFrame:
    """Return, for each photo and bucket, the k best of the photos that share the bucket.

    In a bucket of more than `max_bucket` photos, each photo is compared with only `max_bucket` of
    them. They are the same for all: those with the smallest hashes of their ids. Such a bucket is
    cut into tasks of `max_bucket` photos, each with these candidates. So the work grows linearly
    with the bucket, and memory does not grow with it.

    Args:
        embeddings: photo_id, embedding (unit L2 norm); each photo once.
        signatures: SIGNATURES of the same model.
        k: neighbours per photo and bucket.
        max_bucket: photos that one photo is compared with in one bucket.

    Returns:
        photo_id, neighbour_id and their cosine. A pair may occur for several tables, and a photo
        may be paired with itself.
    """
    groups = _groups(signatures, max_bucket)
    with_vectors = groups.join(embeddings.select("photo_id", "embedding"), "photo_id")
    return with_vectors.groupBy("table", "bucket", "part").applyInArrow(_make_compare(k), PAIRS)


def _groups(signatures: DataFrame, max_bucket: int) -> DataFrame:
    """Return what is compared: table, bucket, part, photo_id, is_query, is_candidate."""
    members = signatures.select("photo_id", F.posexplode("buckets").alias("table", "bucket"))
    bucket = Window.partitionBy("table", "bucket")
    placed = members.select(
        "*",
        (F.row_number().over(bucket.orderBy(F.xxhash64("photo_id"), "photo_id")) - 1).alias(
            "place"
        ),
        F.count("*").over(bucket).alias("size"),
    ).where("size > 1")
    part = F.floor(F.col("place") / max_bucket).cast("int")
    parts = F.ceil(F.col("size") / max_bucket).cast("int")
    is_candidate = F.col("place") < max_bucket
    of_queries = F.array(part)
    of_candidates = F.sequence(F.lit(0), parts - 1)
    in_parts = placed.withColumn(
        "part", F.explode(F.when(is_candidate, of_candidates).otherwise(of_queries))
    )
    return in_parts.select(
        "table",
        "bucket",
        "part",
        "photo_id",
        (F.col("part") == part).alias("is_query"),
        is_candidate.alias("is_candidate"),
    )


def _make_sign(planes: Broadcast[NDArray[np.float32]], bits: int) -> Callable[[str], Column]:
    """Return the UDF from embeddings to buckets, one per table; executors get `planes` once."""

    @F.pandas_udf(ArrayType(LongType()))
    def sign_batches(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for batch in batches:
            vectors = stack_rows(batch.to_list(), planes.value.shape[1])
            yield pd.Series(list(buckets(vectors, planes.value, bits)))

    return sign_batches


def _make_compare(k: int) -> Callable[[pa.Table], pa.Table]:
    """Return the function over a group: k + 1 candidates per query, which may be one of them."""

    def compare(group: pa.Table) -> pa.Table:
        group = group.sort_by("photo_id").combine_chunks()
        photo_ids = group["photo_id"].to_numpy()
        column = group["embedding"].combine_chunks()
        vectors = to_matrix(column, len(column[0])).astype(np.float64)
        queries = np.flatnonzero(group["is_query"].to_numpy())
        candidates = np.flatnonzero(group["is_candidate"].to_numpy())
        rows, scores = top_k(vectors[queries], [(candidates, vectors[candidates])], k + 1)
        return pa.table(
            {
                "photo_id": np.repeat(photo_ids[queries], rows.shape[1]),
                "neighbour_id": photo_ids[rows.ravel()],
                "score": scores.ravel().astype(np.float32),
            }
        )

    return compare
