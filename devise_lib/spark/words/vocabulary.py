"""The words of SENTENCES that get a vector, counted by Spark and read by the tasks that train."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.errors import InputError
from devise_lib.spark.platform.literal_paths import read_parquet
from devise_lib.spark.platform.stores import spark_path
from devise_lib.storage.copies import fetched
from devise_lib.storage.stores import StoreAccess, this_access
from devise_lib.text.vectors.word2vec import CorpusSize

COUNTS = "word string, count long"
HELD_WORDS = 500_000  # distinct words that a task holds, about 100 MB


@dataclass(frozen=True)
class Vocabulary:
    """Words and their counts, in a file that all machines see, the most frequent first.

    Attributes:
        folder: of the Parquet file.
        words: number of words.
        size: of the corpus that they were counted in.
        access: opens the file in tasks.
    """

    folder: str
    words: int
    size: CorpusSize
    access: StoreAccess = field(default_factory=this_access)

    def read(self) -> dict[str, int]:
        """Return the counts by word, the most frequent first."""
        inside = self.access.open().children(self.folder)
        [file] = [status.path for status in inside if status.name.endswith(".parquet")]
        with fetched(file) as path:
            columns = pq.read_table(path).to_pydict()
        return dict(zip(columns["word"], columns["count"], strict=True))


def count_words(sentences: DataFrame, min_count: int, max_vocab: int, folder: str) -> Vocabulary:
    """Choose the words that occur at least `min_count` times, at most `max_vocab` (0: all).

    Tasks write the words to a file in `folder`. None of them passes through the driver.

    Raises:
        InputError: no word occurs that often.
    """
    counted = sentences.select("tokens").mapInArrow(_count, COUNTS).groupBy("word")
    counts = counted.agg(F.sum("count").alias("count")).persist(StorageLevel.DISK_ONLY)
    order = (F.desc("count"), F.col("word"))
    chosen = counts.where(F.col("count") >= min_count)
    if max_vocab:
        chosen = chosen.orderBy(*order).limit(max_vocab)
    in_order = chosen.coalesce(1).sortWithinPartitions(*order)
    path = spark_path(sentences.sparkSession, folder)
    in_order.write.mode("overwrite").parquet(path)
    number = read_parquet(sentences.sparkSession, path).count()
    length = F.col("count") * (F.octet_length("word") + 1)
    total = counts.agg(F.sum("count").alias("words"), F.sum(length).alias("bytes")).collect()[0]
    counts.unpersist()
    size = CorpusSize(sentences.count(), total["words"] or 0, total["bytes"] or 0)
    if not number:
        raise InputError(
            f"no word to train on: SENTENCES has {size.sentences} sentences and {size.words} "
            f"words, none of which occurs min_count = {min_count} times; give more text or lower "
            "train_word2vec.min_count"
        )
    return Vocabulary(folder, number, size)


def _count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Return counts of words, added up here first: Spark alone takes three times as long."""
    held: Counter[str] = Counter()
    for batch in batches:
        counts = pc.value_counts(batch.column(0).flatten())
        words, numbers = counts.flatten()
        for word, number in zip(words.to_pylist(), numbers.to_pylist(), strict=True):
            held[word] += number
        if len(held) > HELD_WORDS:
            yield _rows(held)
            held = Counter()
    yield _rows(held)


def _rows(counts: Counter[str]) -> pa.RecordBatch:
    columns = [pa.array(list(counts), pa.string()), pa.array(list(counts.values()), pa.int64())]
    return pa.RecordBatch.from_arrays(columns, names=["word", "count"])
