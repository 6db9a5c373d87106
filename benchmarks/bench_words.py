"""Compares word vectors of both engines with gensim and Spark MLlib, on the same sentences.

The text is half of the 12,980 articles of conf/real.toml, in two passes. `measure_whole` has the
settings of conf/real.toml itself, against gensim only.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gensim.models import KeyedVectors, Word2Vec
from pyspark.ml.feature import Word2Vec as MLlibWord2Vec
from pyspark.sql import DataFrame

from benchmarks.corpus import (
    ANALOGIES,
    DATA,
    PAIRS,
    RESTRICT_VOCAB,
    make_sentences,
    share_of,
    write_lines,
)
from benchmarks.rate import Rate
from devise_lib.config.words import TrainWord2vec
from devise_lib.spark.platform.session import start_session
from devise_lib.spark.words.training import train_vectors
from devise_lib.text.vectors.word2vec import Word2VecParams
from devise_lib.text.vectors.word_tests import analogies, similarity

MIN_COUNT = 5
HALF = Word2VecParams(
    vector_size=100,
    window=5,
    negative=5,
    hs=0,
    sg=1,
    sample=1e-4,
    epochs=2,
    alpha=0.025,
    seed=0,
    workers=0,
)
WHOLE = replace(HALF, window=10, negative=10, epochs=3)


@dataclass(frozen=True)
class Trained:
    """The duration of a training, from sentences to vectors, and the quality of the vectors."""

    seconds: float
    quality: str


def measure() -> list[Rate]:
    """Returns words per second, each word counted once per pass; nothing if DEVISE_DATA is
    absent.
    """
    return _compare(HALF, 0.5, with_mllib=True) if DATA.is_dir() else []


def measure_whole() -> list[Rate]:
    """Returns the same for the whole text and the settings of conf/real.toml, without MLlib."""
    return _compare(WHOLE, 1.0, with_mllib=False) if DATA.is_dir() else []


def _compare(params: Word2VecParams, articles: float, with_mllib: bool) -> list[Rate]:
    with tempfile.TemporaryDirectory(prefix="devise-bench-") as scratch:
        folder = Path(scratch)
        table = make_sentences(folder / "work")
        spark = start_session("bench_words", {"master": "local[2]", "driver.memory": "4g"})
        sentences = share_of(spark, table, articles)
        lines = folder / "lines.txt"
        words = write_lines(sentences, lines)
        runs: dict[str, Callable[[], Trained]] = {
            "gensim": lambda: _gensim(lines, params),
            "one machine": lambda: _ours("one_machine", sentences, params, folder),
            "2 partitions": lambda: _ours("distributed", sentences, params, folder),
        }
        pairs = [("one machine", "gensim"), ("2 partitions", "gensim")]
        if with_mllib:  # MLlib has only hierarchical softmax
            softmax = replace(params, hs=1, negative=0)
            runs["2 partitions, hs"] = lambda: _ours("distributed", sentences, softmax, folder)
            runs["MLlib"] = lambda: _mllib(sentences, params)
            pairs.append(("2 partitions, hs", "MLlib"))
        trained = {name: run() for name, run in runs.items()}
        spark.stop()
    rate = {name: words * params.epochs / run.seconds for name, run in trained.items()}
    return [
        Rate(
            f"word2vec, {words / 1e6:.1f}M words, {params.epochs} passes: {ours}",
            "words/s",
            rate[ours],
            rate[peer],
            peer,
            f"{trained[ours].quality}; {peer} {trained[peer].quality}",
        )
        for ours, peer in pairs
    ]


def _gensim(lines: Path, params: Word2VecParams) -> Trained:
    started = time.perf_counter()
    model = Word2Vec(
        corpus_file=str(lines),
        vector_size=params.vector_size,
        window=params.window,
        negative=params.negative,
        sg=params.sg,
        sample=params.sample,
        epochs=params.epochs,
        alpha=params.alpha,
        min_count=MIN_COUNT,
        workers=2,
    )
    seconds = time.perf_counter() - started
    return Trained(seconds, quality(model.wv))


def _ours(engine: str, sentences: DataFrame, params: Word2VecParams, folder: Path) -> Trained:
    given = {name: getattr(params, name) for name in Word2VecParams.__dataclass_fields__}
    given |= {"alpha": 0.0, "workers": {"one_machine": 2, "distributed": 1}[engine]}
    config = TrainWord2vec(**given, min_count=MIN_COUNT, engine=engine, partitions=2)
    out = folder / f"{engine}-{params.hs}"
    started = time.perf_counter()
    train_vectors(sentences, config, str(out))
    seconds = time.perf_counter() - started
    written = sentences.sparkSession.read.parquet(str(out / "word_vectors"))
    return Trained(seconds, quality(_keyed(written.orderBy("rank"))))


def _mllib(sentences: DataFrame, params: Word2VecParams) -> Trained:
    """Trains with MLlib on two partitions. It has no subsampling; its other settings are ours."""
    trainer = MLlibWord2Vec(
        vectorSize=params.vector_size,
        minCount=MIN_COUNT,
        numPartitions=2,
        maxIter=params.epochs,
        windowSize=params.window,
        stepSize=params.alpha,
        seed=params.seed,
        inputCol="tokens",
        outputCol="vector",
    )
    started = time.perf_counter()
    vectors = trainer.fit(sentences).getVectors()
    seconds = time.perf_counter() - started
    counts = sentences.selectExpr("explode(tokens) AS word").groupBy("word").count()
    return Trained(
        seconds, quality(_keyed(vectors.join(counts, "word").orderBy("count", ascending=False)))
    )


def _keyed(vectors: DataFrame) -> KeyedVectors:
    rows = vectors.select("word", "vector").collect()
    known = KeyedVectors(len(rows[0]["vector"]))
    known.add_vectors([row["word"] for row in rows], [list(row["vector"]) for row in rows])
    return known


def quality(vectors: KeyedVectors) -> str:
    """Returns the results of the word tests."""
    asked = analogies(vectors, ANALOGIES, RESTRICT_VOCAB)
    pairs = [similarity(vectors, path).spearman for path in PAIRS]
    return f"analogies {asked.total_percent:.1f} %, WS353 {pairs[0]:.3f}, SimLex {pairs[1]:.3f}"
