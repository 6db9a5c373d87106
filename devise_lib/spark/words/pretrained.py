"""Reads a file of word vectors as rows of WORD_VECTORS, in one task and never on the driver."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pyarrow as pa
from pyspark import Accumulator
from pyspark.sql import DataFrame, SparkSession

from devise_lib.paths import absolute
from devise_lib.spark.tables.schemas import WORD_VECTORS
from devise_lib.spark.words.arrow_rows import ROWS, word_batch
from devise_lib.storage.stores import this_access
from devise_lib.text.vectors.files import VectorFile, read_vectors


@dataclass(frozen=True)
class FileVectors:
    """The word vectors of a file.

    Attributes:
        rows: WORD_VECTORS, without counts; reading them reads the file.
        duplicates: words left out because the same word came before. It is known once the rows were
            read, and each reading counts again.
        broken: words left out because they cannot be read; known in the same way.
    """

    rows: DataFrame
    duplicates: Accumulator[int]
    broken: Accumulator[int]


def vectors_from_file(
    spark: SparkSession, path: str, format: str = "auto", max_words: int = 0
) -> FileVectors:
    """Return the vectors of a file, with `rank` in its order. Only its head is read here.

    Words are put into lower case, as in SENTENCES. Words that cannot be read are left out. One task
    reads the file, because packed and binary files cannot be split. It holds the words that it has
    seen and a batch of vectors.

    Args:
        spark: the session.
        path: a file that the driver and every executor see.
        format: "word2vec", "word2vec_text" (fastText's .vec), "glove", or "auto" to detect it.
        max_words: read only so many words that are not left out; 0: all.

    Raises:
        InputError: here, if it is no file of word vectors; in the task, if it is damaged.
    """
    file = read_vectors(
        absolute(path), format, max_words or None, lower=True, skip_broken_words=True
    )
    duplicates, broken = (spark.sparkContext.accumulator(0) for _ in range(2))

    access = this_access()

    def read(_: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        access.open()
        yield from _batches(file)
        duplicates.add(file.doubled)
        broken.add(file.broken)

    rows = spark.range(1, numPartitions=1).mapInArrow(read, WORD_VECTORS)
    return FileVectors(rows, duplicates, broken)


def _batches(file: VectorFile) -> Iterator[pa.RecordBatch]:
    rows, rank = file.rows(), 0
    while block := list(islice(rows, ROWS)):
        words, vectors = zip(*block, strict=True)
        ranks = np.arange(rank + 1, rank + 1 + len(words))
        yield word_batch(words, [None] * len(words), ranks, np.stack(vectors))
        rank += len(words)
