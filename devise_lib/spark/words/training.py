"""SENTENCES to word vectors with gensim: in one task, or in several that merge as they go."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark import BarrierTaskContext, TaskContext
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.config.words import TrainWord2vec
from devise_lib.errors import InputError
from devise_lib.spark.platform.resources import GIB, memory_available_bytes
from devise_lib.spark.platform.session import arrow_rows
from devise_lib.spark.tables.schemas import WORD_VECTORS
from devise_lib.spark.words.arrow_rows import ROWS, word_batch
from devise_lib.spark.words.vocabulary import Vocabulary, count_words
from devise_lib.text.vectors.exchange import Exchange
from devise_lib.text.vectors.word2vec import KeyedVectors, Word2VecParams, train
from devise_lib.text.vectors.word2vec_workers import Learner, learn_together, write_pieces

SENTENCES_PER_BATCH = 5_000  # about a megabyte
Batches = Iterator[pa.RecordBatch]

# Gensim's threads lower their rate by a thread's share of a pass only, and start the next pass
# where it should be: with two threads a quarter above a straight fall. The distributed engine's
# rate falls straight, so it starts higher for the same vectors.
ALPHA = {"one_machine": 0.025, "distributed": 0.03}
MERGE_WORDS = 200_000  # by the number of partitions: the more there are, the sooner they overshoot


@dataclass(frozen=True)
class TrainingPlan:
    """How word vectors are trained.

    Attributes:
        params: gensim's; `workers` is the threads of a task, 0: as many as it has cores.
        partitions: tasks that train together.
        merge_words: words that they read together between two merges.
    """

    params: Word2VecParams
    partitions: int
    merge_words: int

    @classmethod
    def of(cls, config: TrainWord2vec) -> "TrainingPlan":
        """What a configuration asks for."""
        names = Word2VecParams.__dataclass_fields__
        given = {name: getattr(config, name) for name in names}
        given["alpha"] = config.alpha or ALPHA[config.engine]
        merge_words = config.merge_words or MERGE_WORDS // config.partitions
        return cls(Word2VecParams(**given), config.partitions, merge_words)


Engine = Callable[[DataFrame, Vocabulary, TrainingPlan], DataFrame]


def train_vectors(sentences: DataFrame, config: TrainWord2vec, folder: Path) -> None:
    """Count the words of SENTENCES, train, and write rows of WORD_VECTORS to folder/word_vectors.

    Raises:
        InputError: there is no word to train on, or the machines cannot hold the training.
    """
    with arrow_rows(sentences.sparkSession, SENTENCES_PER_BATCH):
        words = count_words(sentences, config.min_count, config.max_vocab, folder / "vocabulary")
        vectors = ENGINES[config.engine](sentences, words, TrainingPlan.of(config))
        vectors.write.parquet(str(folder / "word_vectors"))


def train_in_one_task(
    sentences: DataFrame, vocabulary: Vocabulary, plan: TrainingPlan
) -> DataFrame:
    """Word vectors as rows of WORD_VECTORS, trained when the result is read.

    The task streams the sentences, in random order, to its own disk; its memory holds the weights
    and the vocabulary (`Word2VecParams.memory_bytes`), never the corpus.
    """

    def run(batches: Batches) -> Batches:
        params = replace(plan.params, workers=plan.params.workers or len(os.sched_getaffinity(0)))
        _require_memory(params.memory_bytes(vocabulary.words), vocabulary.words, params, 1)
        with _scratch(vocabulary.size.text_bytes) as scratch:
            corpus = scratch / "corpus.txt"
            with corpus.open("w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in _lines(batches))
            vectors = train(str(corpus), vocabulary.read(), vocabulary.size, params)
        yield from _rows(vectors, 0, 1)

    lines = _in_random_order(sentences, plan.params.seed)
    return lines.coalesce(1).mapInArrow(run, WORD_VECTORS)


def train_in_many_tasks(
    sentences: DataFrame, vocabulary: Vocabulary, plan: TrainingPlan
) -> DataFrame:
    """Word vectors as rows of WORD_VECTORS, trained when the result is read.

    The tasks run at once (a barrier stage) and hold the weights each, twice. Sentences come to
    them at random, in an order that the seed gives. The changes go from task to task, none of them
    through the driver.

    Raises:
        InputError: Spark has fewer task slots than partitions.
    """
    spark = sentences.sparkSession
    cores = int(spark.conf.get("spark.task.cpus", "1") or 1)
    slots = spark.sparkContext.defaultParallelism // cores
    if slots < plan.partitions:
        raise InputError(
            f"train_word2vec.partitions is {plan.partitions}, but Spark has {slots} task slots, "
            "and all partitions must train at once: lower it, or give Spark more cores"
        )
    key = secrets.token_bytes(32)

    def run(batches: Batches) -> Batches:
        context = BarrierTaskContext.get()
        rank, peers = context.partitionId(), [t.address for t in context.getTaskInfos()]
        host = peers[rank].rpartition(":")[0]
        here = sum(peer.rpartition(":")[0] == host for peer in peers)
        params = replace(plan.params, workers=plan.params.workers or _cores_of_the_task())
        _require_memory(params.memory_bytes(vocabulary.words, 2), vocabulary.words, params, here)
        with _scratch(vocabulary.size.text_bytes * here // len(peers)) as scratch:
            words = max(1, plan.merge_words // len(peers))
            pieces = list(write_pieces(_lines(batches), scratch, words, params.workers))
            merges = max(1, *map(int, context.allGather(str(len(pieces)))))
            learner = Learner(vocabulary.read(), params, rank, merges, words)
            with closing(Exchange(rank, host, context.allGather, key)) as exchange:
                learn_together(learner, exchange, pieces)
        yield from _rows(learner.vectors, rank, len(peers))

    shares = _in_random_order(sentences, plan.params.seed, plan.partitions)
    return shares.mapInArrow(run, WORD_VECTORS, barrier=True)


ENGINES: dict[str, Engine] = {
    "one_machine": train_in_one_task,
    "distributed": train_in_many_tasks,
}


def _in_random_order(sentences: DataFrame, seed: int, partitions: int | None = None) -> DataFrame:
    """The sentences as lines, dealt to partitions and ordered by a hash of their place.

    In the order of the articles the vectors drift with their topics: 4 points of the analogies.
    """
    place = F.xxhash64("page_id", "position", F.lit(seed)).alias("place")
    lines = sentences.where(F.size("tokens") > 0).select(
        F.concat_ws(" ", "tokens").alias("line"), place
    )
    dealt = lines.repartition(partitions, "place") if partitions else lines.repartition("place")
    return dealt.sortWithinPartitions("place").select("line")


def _lines(batches: Batches) -> Iterator[str]:
    for batch in batches:
        yield from batch.column(0).to_pylist()


def _cores_of_the_task() -> int:
    context = TaskContext.get()
    return context.cpus() if context else 1


def _require_memory(needed: int, words: int, params: Word2VecParams, tasks: int) -> None:
    """Refuse what this machine cannot hold, before it is asked for."""
    free = memory_available_bytes()
    if needed * tasks > free:
        raise InputError(
            f"too little memory for word vectors: {words:,} words x {params.vector_size} numbers "
            f"want {needed / GIB:.1f} GiB in each of {tasks} tasks on this machine, and "
            f"{free / GIB:.1f} GiB are free: raise train_word2vec.min_count, lower max_vocab, "
            "vector_size or partitions, or take machines with more memory"
        )


@contextmanager
def _scratch(wanted: int) -> Iterator[Path]:
    """A folder for the corpus on this machine's disk, among Spark's own, which Spark clears away.

    Raises:
        InputError: the disk has less than `wanted` bytes.
    """
    folder = os.environ.get("SPARK_LOCAL_DIRS", tempfile.gettempdir()).split(",")[0]
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise InputError(
            f"too little disk: the text to train on takes {wanted / GIB:.1f} GiB in {folder}, and "
            f"{free / GIB:.1f} GiB are free: free some, or let spark.local.dir name another disk"
        )
    with tempfile.TemporaryDirectory(prefix="devise-corpus-", dir=folder) as scratch:
        yield Path(scratch)


def _rows(vectors: KeyedVectors, first: int, step: int) -> Batches:
    """Every step-th word from the first as rows of WORD_VECTORS, the commonest first."""
    places = np.arange(first, len(vectors), step)
    counts = vectors.expandos["count"]
    for start in range(0, len(places), ROWS):
        block = places[start : start + ROWS]
        words = [vectors.index_to_key[place] for place in block]
        yield word_batch(words, counts[block].tolist(), block + 1, vectors.vectors[block])
