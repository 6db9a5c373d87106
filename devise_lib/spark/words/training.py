"""Trains word vectors on SENTENCES with gensim: in one task, or in several that merge regularly."""

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
from devise_lib.spark.platform.stores import spark_path
from devise_lib.spark.tables.schemas import WORD_VECTORS
from devise_lib.spark.words.arrow_rows import ROWS, word_batch
from devise_lib.spark.words.vocabulary import Vocabulary, count_words
from devise_lib.text.vectors.exchange import Exchange
from devise_lib.text.vectors.word2vec import KeyedVectors, Word2VecParams, train
from devise_lib.text.vectors.word2vec_workers import Learner, learn_together, write_pieces

SENTENCES_PER_BATCH = 5_000  # about a megabyte
Batches = Iterator[pa.RecordBatch]

# Within a pass, gensim's threads lower their rate only by a thread's share of the pass. They start
# the next pass at the right rate. With two threads the rate is a quarter above a linear fall. The
# distributed engine's rate falls linearly, so it starts higher for the same vectors.
ALPHA = {"one_machine": 0.025, "distributed": 0.03}
MERGE_WORDS = 200_000  # divided by the number of partitions: more of them overshoot sooner


@dataclass(frozen=True)
class TrainingPlan:
    """How word vectors are trained.

    Attributes:
        params: gensim's; `workers` is the threads per task, 0: as many as it has cores.
        partitions: number of tasks that train together.
        merge_words: words that they read together between two merges.
    """

    params: Word2VecParams
    partitions: int
    merge_words: int

    @classmethod
    def of(cls, config: TrainWord2vec) -> "TrainingPlan":
        """Return the plan of a configuration."""
        names = Word2VecParams.__dataclass_fields__
        given = {name: getattr(config, name) for name in names}
        given["alpha"] = config.alpha or ALPHA[config.engine]
        merge_words = config.merge_words or MERGE_WORDS // config.partitions
        return cls(Word2VecParams(**given), config.partitions, merge_words)


Engine = Callable[[DataFrame, Vocabulary, TrainingPlan], DataFrame]


def train_vectors(sentences: DataFrame, config: TrainWord2vec, folder: str) -> None:
    """Count the words of SENTENCES, train, and write WORD_VECTORS to folder/word_vectors.

    Args:
        sentences: SENTENCES.
        config: of the job.
        folder: on a disk or a store that all machines see.

    Raises:
        InputError: there is no word to train on, or the machines cannot hold the training.
    """
    with arrow_rows(sentences.sparkSession, SENTENCES_PER_BATCH):
        words = count_words(sentences, config.min_count, config.max_vocab, f"{folder}/vocabulary")
        vectors = ENGINES[config.engine](sentences, words, TrainingPlan.of(config))
        vectors.write.parquet(spark_path(sentences.sparkSession, f"{folder}/word_vectors"))


def train_in_one_task(
    sentences: DataFrame, vocabulary: Vocabulary, plan: TrainingPlan
) -> DataFrame:
    """Return word vectors as rows of WORD_VECTORS, trained when the result is read.

    The task streams the sentences, in random order, to its own disk. Its memory holds the weights
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
    """Return word vectors as rows of WORD_VECTORS, trained when the result is read.

    The tasks run at the same time (a barrier stage), and each holds the weights twice. They get the
    sentences at random, in an order that the seed determines. Changes go from task to task, and
    never through the driver.

    Raises:
        InputError: Spark has fewer task slots than partitions.
    """
    spark = sentences.sparkSession
    cores = int(spark.conf.get("spark.task.cpus", "1") or 1)
    slots = spark.sparkContext.defaultParallelism // cores
    if slots < plan.partitions:
        raise InputError(
            f"train_word2vec.partitions is {plan.partitions}, but Spark has {slots} task slots, "
            "but all partitions must train at once: lower it, or give Spark more cores"
        )
    key = secrets.token_bytes(32)

    def run(batches: Batches) -> Batches:
        context = BarrierTaskContext.get()
        rank, peers = context.partitionId(), [t.address for t in context.getTaskInfos()]
        host = peers[rank].rpartition(":")[0]
        here = sum(peer.rpartition(":")[0] == host for peer in peers)
        params = replace(plan.params, workers=plan.params.workers or _task_cores())
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
    """Return the sentences as lines, distributed to partitions and sorted by a hash of their place.

    In the order of articles the vectors drift with the topics, which costs 4 points of analogies.
    """
    place = F.xxhash64("page_id", "position", F.lit(seed)).alias("place")
    lines = sentences.where(F.size("tokens") > 0).select(
        F.concat_ws(" ", "tokens").alias("line"), place
    )
    mixed = lines.repartition(partitions, "place") if partitions else lines.repartition("place")
    return mixed.sortWithinPartitions("place").select("line")


def _lines(batches: Batches) -> Iterator[str]:
    for batch in batches:
        yield from batch.column(0).to_pylist()


def _task_cores() -> int:
    context = TaskContext.get()
    return context.cpus() if context else 1


def _require_memory(needed: int, words: int, params: Word2VecParams, tasks: int) -> None:
    """Raise InputError if this machine cannot hold the training, before memory is allocated."""
    free = memory_available_bytes()
    if needed * tasks > free:
        raise InputError(
            f"too little memory for word vectors: {words:,} words x {params.vector_size} numbers "
            f"need {needed / GIB:.1f} GiB in each of {tasks} tasks on this machine, but "
            f"{free / GIB:.1f} GiB are free: raise train_word2vec.min_count, lower max_vocab, "
            "vector_size or partitions, or use machines with more memory"
        )


@contextmanager
def _scratch(wanted: int) -> Iterator[Path]:
    """Give a folder for the corpus on this machine's disk, among Spark's own, which Spark deletes.

    Raises:
        InputError: the disk has less than `wanted` bytes free.
    """
    folder = os.environ.get("SPARK_LOCAL_DIRS", tempfile.gettempdir()).split(",")[0]
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise InputError(
            f"too little disk: the text to train on needs {wanted / GIB:.1f} GiB in {folder}, but "
            f"{free / GIB:.1f} GiB are free: free some, or set spark.local.dir to another disk"
        )
    with tempfile.TemporaryDirectory(prefix="devise-corpus-", dir=folder) as scratch:
        yield Path(scratch)


def _rows(vectors: KeyedVectors, first: int, step: int) -> Batches:
    """Give every step-th word from the first as rows of WORD_VECTORS, the most frequent first."""
    places = np.arange(first, len(vectors), step)
    counts = vectors.expandos["count"]
    for start in range(0, len(places), ROWS):
        block = places[start : start + ROWS]
        words = [vectors.index_to_key[place] for place in block]
        yield word_batch(words, counts[block].tolist(), block + 1, vectors.vectors[block])
