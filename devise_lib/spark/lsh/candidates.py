"""The join of photos by ranges of their codes: for each query the ids of the best candidates.

| step | what is shuffled | rows |
|---|---|---|
| spread | a compact copy of the embedding, by table and range | photos x tables |
| match | the ids of the best candidates, by blocks of near queries | queries x tables |
| merge | ids alone | queries |

A range of too many photos gives a sample of candidates, the same ones for all. Its queries are
spread over several tasks.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import Broadcast
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from devise_lib.index.building.intake import take_in
from devise_lib.lsh.hashing import Hash, codes_of
from devise_lib.lsh.matching import Members, best_distinct, compact, mixed, nearest
from devise_lib.lsh.probes import probe_ranges
from devise_lib.spark.lsh.code_ranges import CodeRanges
from devise_lib.spark.tables.vector_columns import binary_to_rows, rows_to_binary, to_lists

Batches = Iterator[pa.RecordBatch]
SPREAD = (
    "table int, range int, part int, block bigint, key bigint, is_query boolean, "
    "is_candidate boolean, copy binary, scale float"
)
MATCHED = "block bigint, query bigint, candidates array<bigint>, scores array<float>"
MERGED = "block bigint, query bigint, candidates array<bigint>"
HEAVY = 8  # times `most`: queries of a range that one task compares
BLOCK_QUERIES = 2_000  # whose candidates one task ranks, about
PART_BITS = 20
# More candidates are sent than the sample takes: so many standard deviations, and so many more.
DEVIATIONS, MORE = 6.0, 20


@dataclass(frozen=True, eq=False)
class Join:
    """What the tasks of a join need.

    Attributes:
        content: the hash, as bytes.
        ranges: of its codes.
        most: candidates of a query per table.
        keep: candidates of a query that are kept.
        probes: ranges per table that a query is looked up in, at most.
        seed: of the samples of candidates; each table has samples of its own.
    """

    content: bytes
    ranges: CodeRanges
    most: int
    keep: int
    probes: int
    seed: int


def find_candidates(queries: DataFrame, photos: DataFrame | None, join: Join) -> DataFrame:
    """Return MERGED: the keys of the best candidates of each query, and the query's block.

    Args:
        queries: key, photo_id, embedding.
        photos: the same of those that are searched; None if these are the queries themselves.
        join: how.
    """
    spark = queries.sparkSession
    shared = spark.sparkContext.broadcast(join)
    if photos is None:
        rows = _spread(queries, shared, is_query=True, is_candidate=True)
    else:
        asked = _spread(queries, shared, is_query=True, is_candidate=False)
        rows = asked.unionByName(_spread(photos, shared, is_query=False, is_candidate=True))
    group = ("table", "range", "part")
    placed = rows.repartition(*group).sortWithinPartitions(*group)
    matched = placed.mapInArrow(_matcher(shared), MATCHED)
    return matched.groupBy("block").applyInArrow(_merger(join.keep), MERGED)


def compared(ranges: CodeRanges, most: int) -> dict[str, int]:
    """Return what a join of one probe costs: pairs compared, ranges, and those sampled."""
    sizes, asked = np.concatenate(ranges.sizes), np.concatenate(ranges.asked)
    return {
        "candidates scored": int((asked * np.minimum(sizes, most)).sum()),
        "buckets": len(sizes),
        "buckets capped": int((sizes > most).sum()),
    }


def _spread(
    rows: DataFrame, shared: Broadcast[Join], *, is_query: bool, is_candidate: bool
) -> DataFrame:
    def spread(batches: Batches) -> Batches:
        join = shared.value
        here = Hash.from_bytes(join.content)
        for batch in batches:
            taken = take_in(batch["photo_id"], batch["embedding"], here.dimension)
            if len(taken.kept):
                keys = batch["key"].to_numpy()[taken.kept]
                yield from _placed(join, here, keys, taken.vectors, is_query, is_candidate)

    return rows.select("key", "photo_id", "embedding").mapInArrow(spread, SPREAD)


def _placed(
    join: Join,
    here: Hash,
    keys: NDArray[np.int64],
    vectors: NDArray[np.float32],
    is_query: bool,
    is_candidate: bool,
) -> Batches:
    """Yields SPREAD for some vectors, a batch per table."""
    ranges, copies = join.ranges, compact(vectors)
    margins = here.margins(vectors)
    prefixes = codes_of(margins) >> (here.bits - ranges.bits)
    first = ranges.of(0, prefixes[:, 0])
    block = _blocks(first, keys, join)
    every = np.arange(len(keys))
    for table in range(here.tables):
        own = ranges.of(table, prefixes[:, table])
        if is_query and join.probes > 1:
            rows, found = _probed(join, table, margins[:, table, : ranges.bits])
        else:
            rows, found = every, own
        seed, sizes = join.seed + table, ranges.sizes[table]
        parts = -(-np.maximum(sizes, ranges.asked[table]) // (HEAVY * join.most))  # per range
        pieces = []  # rows, range, part, is_query, is_candidate
        light = parts[found] <= 1
        if is_query:
            part = mixed(keys[rows], seed) % np.maximum(parts[found], 1).astype(np.uint64)
            both = light & is_candidate
            pieces.append((rows, found, part.astype(np.int32), np.ones_like(both), both))
        if is_candidate:
            alone = parts[own] > 1 if is_query else np.ones(len(own), np.bool_)
            chosen = alone & _may_be_sampled(keys, sizes[own], join.most, seed)
            copies_of = np.where(chosen, np.maximum(parts[own], 1), 0)
            again = np.repeat(every, copies_of)
            part = np.arange(len(again)) - np.repeat(np.cumsum(copies_of) - copies_of, copies_of)
            no, yes = np.zeros(len(again), np.bool_), np.ones(len(again), np.bool_)
            pieces.append((again, own[again], part.astype(np.int32), no, yes))
        rows, found, part, asks, offers = (
            np.concatenate(each) for each in zip(*pieces, strict=True)
        )
        columns = [
            *(np.full(len(rows), table, np.int32), found.astype(np.int32), part),
            *(block[rows], keys[rows], asks, offers),
        ]
        packed = [rows_to_binary(copies[0][rows]), pa.array(copies[1][rows])]
        names = [column.split()[0] for column in SPREAD.split(", ")]
        yield pa.RecordBatch.from_arrays([*map(pa.array, columns), *packed], names=names)


def _blocks(first: NDArray[np.int64], keys: NDArray[np.int64], join: Join) -> NDArray[np.int64]:
    """Returns the block of each query: neighbouring ranges of the first table, or a part of one.

    Queries of a block are near each other, so they have many candidates in common.

    Args:
        first: the range of each query in the first table.
        keys: of the queries.
        join: with the number of queries in each range.
    """
    asked = join.ranges.asked[0]
    together = max(1, BLOCK_QUERIES // max(join.most, int(np.median(asked))))
    parts = np.maximum(-(-asked[first] // BLOCK_QUERIES), 1).astype(np.uint64)
    part = (mixed(keys, join.seed + 1) % parts).astype(np.int64)
    return ((first // together) << PART_BITS) | part


def _probed(
    join: Join, table: int, margins: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the rows of queries and the ranges that they are looked up in, each pair once."""
    rows, found = [], []
    for row, margin in enumerate(margins):
        each = probe_ranges(join.ranges.starts[table], margin, join.probes)
        rows.append(np.full(len(each), row))
        found.append(each)
    return np.concatenate(rows), np.concatenate(found)


def _may_be_sampled(
    keys: NDArray[np.int64], sizes: NDArray[np.int64], most: int, seed: int
) -> NDArray[np.bool_]:
    """Returns which photos of ranges of these sizes may be in the sample of candidates."""
    wanted = (most + DEVIATIONS * math.sqrt(most) + MORE) / sizes
    return mixed(keys, seed) < np.minimum(wanted, 1.0) * float(2**64)


def _matcher(shared: Broadcast[Join]) -> Callable[[Batches], Batches]:
    def match(batches: Batches) -> Batches:
        join = shared.value
        for group in _groups(batches):
            members = Members(
                group["key"].to_numpy(),
                binary_to_rows(group["copy"].combine_chunks()),
                group["scale"].to_numpy(),
            )
            asks, offers = group["is_query"].to_numpy(), group["is_candidate"].to_numpy()
            queries = members.take(asks)
            seed = join.seed + group["table"][0].as_py()
            candidates = members.take(offers).sample(join.most, seed)
            places, keys, scores = nearest(queries, candidates, join.keep)
            ends = np.searchsorted(places, np.arange(len(queries.keys) + 1))
            yield pa.RecordBatch.from_arrays(
                [
                    pa.array(group["block"].to_numpy()[asks]),
                    pa.array(queries.keys),
                    to_lists(keys, ends),
                    to_lists(scores, ends),
                ],
                names=["block", "query", "candidates", "scores"],
            )

    return match


def _groups(batches: Batches) -> Iterator[pa.Table]:
    """Yields the rows of each table, range and part, which follow one another."""
    held: list[pa.RecordBatch] = []
    last = None
    for batch in batches:
        numbers = np.stack([batch[name].to_numpy() for name in ("table", "range", "part")], axis=1)
        if not len(numbers):
            continue
        changes = np.flatnonzero((np.diff(numbers, axis=0) != 0).any(axis=1)) + 1
        for start, stop in pairwise([0, *changes.tolist(), len(numbers)]):
            group = tuple(numbers[start])
            if held and group != last:
                yield pa.Table.from_batches(held).combine_chunks()
                held = []
            held.append(batch.slice(start, stop - start))
            last = group
    if held:
        yield pa.Table.from_batches(held).combine_chunks()


def _merger(keep: int) -> Callable[[pa.Table], pa.Table]:
    def merge(group: pa.Table) -> pa.Table:
        lists = group["candidates"].combine_chunks()
        counts = lists.value_lengths().to_numpy()
        queries = np.repeat(group["query"].to_numpy(), counts)
        scores = group["scores"].combine_chunks().flatten().to_numpy()
        queries, keys, _ = best_distinct(queries, lists.flatten().to_numpy(), scores, keep)
        own, starts = np.unique(queries, return_index=True)
        found = to_lists(keys, np.append(starts, len(keys)))
        block = np.full(len(own), group["block"][0].as_py())
        return pa.table({"block": block, "query": own, "candidates": found})

    return merge


def key_of(column: str, salt: int) -> Column:
    """Return the number by which a photo is told while photos are compared."""
    return F.xxhash64(F.lit(salt), column)


def find_salt(photos: DataFrame) -> int:
    """Return a salt with which no two ids have one key.

    Two of 100 million ids have one with a probability of 0.0003.
    """
    number = photos.count()
    for salt in count():
        if photos.agg(F.count_distinct(key_of("photo_id", salt))).collect()[0][0] == number:
            break
    return salt
