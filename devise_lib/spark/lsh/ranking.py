"""Ranks candidates by their exact cosines; the embeddings are fetched once per block of queries."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.index.building.intake import take_in
from devise_lib.spark.lsh.candidates import key_of
from devise_lib.spark.tables.caching import Persist
from devise_lib.spark.tables.neighbours_table import RANKED, RANKED_SCHEMA

PAIRS_AT_ONCE = 16_384  # whose two vectors are in memory, in float64


def rank_candidates(
    merged: DataFrame,
    queries: DataFrame,
    photos: DataFrame,
    k: int,
    dimension: int,
    persist: Persist,
) -> DataFrame:
    """Return RANKED: the k candidates of the greatest cosine for each query.

    Equal scores are ordered by neighbour_id. A photo is not its own neighbour. Rounding may lift a
    cosine above 1, which no reader expects, so scores are limited to [-1, 1].

    Args:
        merged: of `candidates.find_candidates`.
        queries: key, photo_id, embedding.
        photos: the same of those that are searched.
        k: neighbours of a query.
        dimension: of the embeddings.
        persist: keeps `merged`, which is read three times.
    """
    merged = persist(merged)
    # A name of its own, because both sides of the cogroup come from `merged`.
    block = F.col("block").alias("in_block")
    needed = merged.select(block, F.explode("candidates").alias("key")).distinct()
    columns = ("in_block", "key", "photo_id", "embedding")
    of_queries = merged.select(block, F.col("query").alias("key")).join(queries, "key")
    offered = needed.join(photos, "key").select(*columns, F.lit(False).alias("is_query"))
    vectors = of_queries.select(*columns, F.lit(True).alias("is_query")).unionByName(offered)
    both = merged.groupBy("block").cogroup(vectors.groupBy("in_block"))
    return both.applyInArrow(_ranker(k, dimension), RANKED)


def with_found(merged: DataFrame, found: DataFrame, salt: int) -> DataFrame:
    """Return the candidates together with the neighbours that an earlier run found.

    Args:
        merged: of `candidates.find_candidates`.
        found: photo_id, neighbour_id.
        salt: of the keys.
    """
    keys = found.select(
        key_of("photo_id", salt).alias("query"), key_of("neighbour_id", salt).alias("neighbour")
    )
    lists = keys.groupBy("query").agg(F.collect_list("neighbour").alias("found"))
    before = F.coalesce("found", F.array().cast("array<bigint>"))
    return merged.join(lists, "query", "left").select(
        "block", "query", F.array_union("candidates", before).alias("candidates")
    )


def _ranker(k: int, dimension: int) -> Callable[[pa.Table, pa.Table], pa.Table]:
    def rank(lists: pa.Table, rows: pa.Table) -> pa.Table:
        if not lists.num_rows or not rows.num_rows:  # A photo went while the job ran.
            return RANKED_SCHEMA.empty_table()
        asks = rows["is_query"].combine_chunks()
        queries, photos = rows.filter(asks), rows.filter(pc.invert(asks))
        return _best(lists, queries, photos, k, dimension)

    return rank


def _best(lists: pa.Table, queries: pa.Table, photos: pa.Table, k: int, dimension: int) -> pa.Table:
    candidates = lists["candidates"].combine_chunks()
    query_keys = np.repeat(lists["query"].to_numpy(), candidates.value_lengths().to_numpy())
    asked, offered = _Vectors.of(queries, dimension), _Vectors.of(photos, dimension)
    if not len(asked.keys) or not len(offered.keys):
        return RANKED_SCHEMA.empty_table()
    left, is_there = asked.places(query_keys)
    right, are_there = offered.places(candidates.flatten().to_numpy())
    left, right = left[is_there & are_there], right[is_there & are_there]
    # Numbers in the order of the ids, which are compared faster than ids.
    _, number = np.unique(np.concatenate([asked.names, offered.names]), return_inverse=True)
    own, others = number[: len(asked.names)], number[len(asked.names) :]
    is_other = own[left] != others[right]
    left, right = left[is_other], right[is_other]
    scores = np.concatenate([np.empty(0), *asked.cosines(left, offered, right)])
    scores = np.clip(scores.astype(np.float32), -1, 1)
    order = np.lexsort((others[right], -scores, left))
    left, right, scores = left[order], right[order], scores[order]
    rank = np.arange(len(left)) - np.searchsorted(left, left)
    kept = rank < k
    return pa.table(
        {
            "photo_id": pa.array(asked.names[left[kept]].tolist(), pa.string()),
            "neighbour_id": pa.array(offered.names[right[kept]].tolist(), pa.string()),
            "rank": pa.array(rank[kept] + 1, pa.int32()),
            "score": pa.array(scores[kept]),
        }
    )


class _Vectors:
    """Photos of a block, sorted by key."""

    def __init__(
        self, keys: NDArray[np.int64], names: NDArray[np.str_], vectors: NDArray[np.float32]
    ) -> None:
        order = np.argsort(keys, kind="stable")
        self.keys, self.names, self.vectors = keys[order], names[order], vectors[order]

    @classmethod
    def of(cls, rows: pa.Table, dimension: int) -> "_Vectors":
        ids, column = rows["photo_id"].combine_chunks(), rows["embedding"].combine_chunks()
        taken = take_in(ids, column, dimension)
        names = np.array(ids.to_pylist(), dtype=np.str_)[taken.kept]
        return cls(rows["key"].to_numpy()[taken.kept], names, taken.vectors)

    def places(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Returns the place of the photo of each key, and whether there is one."""
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return places, self.keys[places] == keys

    def cosines(
        self, left: NDArray[np.int64], others: "_Vectors", right: NDArray[np.int64]
    ) -> Iterator[NDArray[np.float64]]:
        """Yields the cosines of pairs, summed in float64."""
        for at in range(0, len(left), PAIRS_AT_ONCE):
            mine = self.vectors[left[at : at + PAIRS_AT_ONCE]].astype(np.float64)
            yield np.einsum("ij,ij->i", mine, others.vectors[right[at : at + PAIRS_AT_ONCE]])
