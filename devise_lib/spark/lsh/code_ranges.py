"""Ranges of codes that hold about equally many photos, found by one pass over the embeddings."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.index.building.intake import take_in
from devise_lib.lsh.hashing import Hash
from devise_lib.lsh.ranges import code_ranges, range_of

Batches = Iterator[pa.RecordBatch]
COUNTED = "table int, code bigint, n bigint"
RANGED = "table int, start bigint, size bigint"
MOST_PREFIX_BITS = 22  # so that the counts of one table, 4 million, fit into a task
HELD = 1_000_000  # counts that a task holds before it adds up those of the same code


@dataclass(frozen=True, eq=False)
class CodeRanges:
    """The ranges of all hash tables.

    Attributes:
        bits: the length of the prefixes of codes that ranges are made of.
        starts: for each table the first prefix of each range, rising.
        sizes: for each table the number of photos in each range.
        asked: for each table the number of queries in each range.
    """

    bits: int
    starts: list[NDArray[np.int64]]
    sizes: list[NDArray[np.int64]]
    asked: list[NDArray[np.int64]]

    @property
    def is_empty(self) -> bool:
        """Whether there is no photo."""
        return not self.starts or not len(self.starts[0])

    def of(self, table: int, prefixes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns the number of the range of each prefix in a table."""
        return range_of(self.starts[table], prefixes)


def find_ranges(embeddings: DataFrame, made: Hash, least: int, most: int) -> CodeRanges:
    """Return ranges of codes that hold from `least` to about `most` photos in each table.

    The driver gets two numbers per range: per table about 2 * photos / most ranges.

    Args:
        embeddings: photo_id, embedding.
        made: the hash.
        least, most: of `lsh.ranges.code_ranges`.
    """
    bits = min(made.bits, MOST_PREFIX_BITS)
    counts = _count(embeddings, made, bits).groupBy("table", "code").agg(F.sum("n").alias("n"))

    def split(group: pa.Table) -> pa.Table:
        group = group.sort_by("code")
        codes, n = group["code"].to_numpy(), group["n"].to_numpy()
        starts = code_ranges(codes, n, bits, least, most)
        sizes = np.bincount(range_of(starts, codes), weights=n, minlength=len(starts))
        table = np.full(len(starts), group["table"][0].as_py(), np.int32)
        return pa.table({"table": table, "start": starts, "size": sizes.astype(np.int64)})

    found = (
        counts.groupBy("table")
        .applyInArrow(split, RANGED)
        .toArrow()
        .sort_by([("table", "ascending"), ("start", "ascending")])
    )
    bounds = np.searchsorted(found["table"].to_numpy(), np.arange(made.tables + 1))
    parts = [slice(first, end) for first, end in pairwise(bounds.tolist())]
    starts, sizes = found["start"].to_numpy(), found["size"].to_numpy()
    by_table = [sizes[part] for part in parts]
    return CodeRanges(bits, [starts[part] for part in parts], by_table, by_table)


def count_queries(queries: DataFrame, made: Hash, ranges: CodeRanges) -> CodeRanges:
    """Return the ranges with the numbers of other queries than their photos.

    Args:
        queries: photo_id, embedding.
        made: the hash.
        ranges: of the photos.
    """
    counts = _count(queries, made, ranges.bits, ranges.starts)
    sums = counts.groupBy("table", "code").agg(F.sum("n").alias("n")).toArrow()
    asked = [np.zeros(len(starts), np.int64) for starts in ranges.starts]
    columns = (sums[name].to_numpy() for name in ("table", "code", "n"))
    for table, number, n in zip(*columns, strict=True):
        asked[table][number] = n
    return replace(ranges, asked=asked)


def _count(
    embeddings: DataFrame,
    made: Hash,
    bits: int,
    starts: list[NDArray[np.int64]] | None = None,
) -> DataFrame:
    """Return COUNTED: how many photos of a task have each prefix, or are in each range of `starts`.

    A prefix may occur several times.
    """
    content = embeddings.sparkSession.sparkContext.broadcast(made.to_bytes())

    def count(batches: Batches) -> Batches:
        here = Hash.from_bytes(content.value)
        held: list[NDArray[np.int64]] = []  # of code and table in one number
        number = 0
        for batch in batches:
            taken = take_in(batch["photo_id"], batch["embedding"], here.dimension)
            codes = here.codes(taken.vectors) >> (here.bits - bits)
            if starts is not None:
                each = (range_of(s, column) for s, column in zip(starts, codes.T, strict=True))
                codes = np.stack(list(each), axis=1)
            held.append((codes * here.tables + np.arange(here.tables)).ravel())
            number += held[-1].size
            if number > HELD:
                yield _counted(held, here.tables)
                held, number = [], 0
        if held:
            yield _counted(held, here.tables)

    return embeddings.select("photo_id", "embedding").mapInArrow(count, COUNTED)


def _counted(held: list[NDArray[np.int64]], tables: int) -> pa.RecordBatch:
    numbers, counts = np.unique(np.concatenate(held), return_counts=True)
    columns = {"table": (numbers % tables).astype(np.int32), "code": numbers // tables, "n": counts}
    return pa.RecordBatch.from_pydict({name: pa.array(values) for name, values in columns.items()})
