"""The words of SENTENCES that get a vector, counted by Spark and read by the tasks that train."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.errors import InputError
from devise_lib.text.word2vec import CorpusSize


@dataclass(frozen=True)
class Vocabulary:
    """Words and their counts in a file that all machines see, the commonest first.

    Attributes:
        folder: the Parquet file's.
        words: how many words there are.
        size: of the corpus that they were counted in.
    """

    folder: str
    words: int
    size: CorpusSize

    def read(self) -> dict[str, int]:
        """The counts by word, the commonest first."""
        [file] = Path(self.folder).glob("*.parquet")
        columns = pq.read_table(file).to_pydict()
        return dict(zip(columns["word"], columns["count"], strict=True))


def count_words(sentences: DataFrame, min_count: int, max_vocab: int, folder: Path) -> Vocabulary:
    """Choose the words that come `min_count` times or more, at most `max_vocab` (0: all).

    The words go from tasks to a file in `folder`, none of them through the driver.

    Raises:
        InputError: no word comes that often.
    """
    words = sentences.select(F.explode("tokens").alias("word")).groupBy("word").count()
    chosen = words.where(F.col("count") >= min_count).orderBy(F.desc("count"), "word")
    if max_vocab:
        chosen = chosen.limit(max_vocab)
    chosen.coalesce(1).write.mode("overwrite").parquet(str(folder))
    number = sentences.sparkSession.read.parquet(str(folder)).count()
    total = sentences.agg(F.count("*"), F.coalesce(F.sum(F.size("tokens")), F.lit(0))).head()
    size = CorpusSize(int(total[0]), int(total[1])) if total else CorpusSize(0, 0)
    if not number:
        raise InputError(
            f"no word to train on: SENTENCES have {size.sentences} sentences and {size.words} "
            f"words, none of which comes min_count = {min_count} times; give more text or set "
            "train_word2vec.min_count lower"
        )
    return Vocabulary(str(folder), number, size)
