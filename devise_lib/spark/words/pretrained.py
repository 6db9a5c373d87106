"""A file of word vectors as rows of WORD_VECTORS: read by one task, never by the driver."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pyarrow as pa
from pyspark import Accumulator
from pyspark.sql import DataFrame, SparkSession

from devise_lib.spark.tables.schemas import WORD_VECTORS
from devise_lib.spark.words.arrow_rows import ROWS, word_batch
from devise_lib.text.vectors.files import VectorFile, read_vectors


@dataclass(frozen=True)
class FileVectors:
    """Word vectors that a file holds.

    Attributes:
        rows: WORD_VECTORS, without counts; the file is read when they are.
        doubled: words left out since the same word had come before; known once the rows were
            read, and counted again by each reading.
        broken: likewise, words left out since they cannot be read.
    """

    rows: DataFrame
    doubled: Accumulator[int]
    broken: Accumulator[int]


def vectors_from_file(
    spark: SparkSession, path: str, format: str = "auto", max_words: int = 0
) -> FileVectors:
    """The vectors of a file, `rank` by its order; its head is looked at here, for early errors.

    Words are lower-cased, as SENTENCES are, and those that cannot be read are left out. One task
    reads the file, since packed and binary files have no place to cut; it holds the words that it
    has seen and a batch of vectors.

    Args:
        path: a file that the driver and every executor see.
        format: as `vector_files.read_vectors` has it.
        max_words: read the first so many words that are not left out; 0: all.

    Raises:
        InputError: here, if it is no file of word vectors; by the task, if it is damaged.
    """
    file = read_vectors(
        os.path.abspath(path), format, max_words or None, lower=True, skip_broken_words=True
    )
    doubled, broken = (spark.sparkContext.accumulator(0) for _ in range(2))

    def read(_: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from _batches(file)
        doubled.add(file.doubled)
        broken.add(file.broken)

    rows = spark.range(1, numPartitions=1).mapInArrow(read, WORD_VECTORS)
    return FileVectors(rows, doubled, broken)


def _batches(file: VectorFile) -> Iterator[pa.RecordBatch]:
    rows, rank = file.rows(), 0
    while block := list(islice(rows, ROWS)):
        words, vectors = zip(*block, strict=True)
        ranks = np.arange(rank + 1, rank + 1 + len(words))
        yield word_batch(words, [None] * len(words), ranks, np.stack(vectors))
        rank += len(words)
