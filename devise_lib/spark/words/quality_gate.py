"""Tests of word vectors, and the gate that bad vectors do not pass."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.config.words import TrainWord2vec
from devise_lib.errors import InputError
from devise_lib.paths import absolute
from devise_lib.spark.tables.metrics_table import Metric
from devise_lib.storage.stores import this_access
from devise_lib.text.vectors.word2vec import KeyedVectors
from devise_lib.text.vectors.word_tests import analogies, check_tests, similarity, words_of_pairs


@dataclass(frozen=True)
class WordTests:
    """Files of word tests, as absolute paths that every executor sees.

    Attributes:
        analogies: file of analogies; "" for none.
        restrict_vocab: number of most frequent words among which answers are looked for.
        similarities: files of word pairs with human scores.
    """

    analogies: str
    restrict_vocab: int
    similarities: Sequence[str]

    @classmethod
    def of(cls, config: TrainWord2vec) -> "WordTests":
        """Return the tests of a configuration. Their files are read now, for early errors.

        Raises:
            InputError: a file is invalid.
        """
        asked = absolute(config.analogies) if config.analogies else ""
        pairs = [absolute(path) for path in config.similarities]
        check_tests(asked, pairs)
        return cls(asked, config.restrict_vocab, pairs)


@dataclass(frozen=True)
class WordScores:
    """How good word vectors are.

    Attributes:
        words: number of distinct words with a vector.
        analogies: share of right answers, in [0, 1], to questions whose words are known; None
            without a test.
        questions: number of these questions.
        spearman: by test file, the rank correlation with the human scores.
        pairs: by test file, the number of pairs whose words are known.
        coverage: by label set, the share of its labels that have a vector.
    """

    words: int
    analogies: float | None
    questions: int
    spearman: Mapping[str, float]
    pairs: Mapping[str, int]
    coverage: Mapping[str, float]

    def flat(self) -> dict[str, float]:
        """Return the scores by name, for MLflow."""
        return {
            "words": float(self.words),
            **({} if self.analogies is None else {"analogies": self.analogies}),
            **{f"spearman_{Path(name).stem}": value for name, value in self.spearman.items()},
            **{f"coverage_{name}": value for name, value in self.coverage.items()},
        }

    def metrics(self) -> list[Metric]:
        """Return the scores as rows of METRICS, without the coverage, which embed_labels writes."""

        def row(test: str, metric: str, value: float) -> Metric:
            return Metric("word2vec", test, "", metric, None, value)

        rows = [row("", "words", self.words)]
        if self.analogies is not None:
            rows.append(row("analogies", "analogies", self.analogies))
            rows.append(row("analogies", "questions", self.questions))
        for name, value in self.spearman.items():
            rows += [row(name, "spearman", value), row(name, "pairs", self.pairs[name])]
        return rows


def measure(vectors: DataFrame, tests: WordTests, coverage: Mapping[str, float]) -> WordScores:
    """Run the word tests that have files, and return their scores.

    One task holds the vectors that the tests need: `restrict_vocab` of the most frequent words, and
    the words of the pairs.

    Args:
        vectors: rows of WORD_VECTORS.
        tests: the files.
        coverage: by label set, the share of its labels that have a vector.
    """
    pairs = sorted({word for path in tests.similarities for word in words_of_pairs(path)})
    asked = (F.col("rank") <= tests.restrict_vocab) | F.lower(
        F.translate("word", "\u0130", "i")
    ).isin(pairs)

    access = this_access()

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        access.open()
        known = _keyed_vectors(batches)
        found = analogies(known, tests.analogies, tests.restrict_vocab) if tests.analogies else None
        similar = {Path(path).name: similarity(known, path) for path in tests.similarities}
        scores = {
            "analogies": found.total_percent / 100 if found else None,
            "questions": found.used if found else 0,
            "spearman": {name: score.spearman for name, score in similar.items()},
            "pairs": {name: score.used for name, score in similar.items()},
        }
        yield pa.RecordBatch.from_pydict({"scores": [json.dumps(scores)]})

    in_order = vectors.where(asked).coalesce(1).sortWithinPartitions("rank")
    rows = in_order.select("word", "vector").mapInArrow(run, "scores string").collect()
    scores = json.loads(rows[0]["scores"])
    return WordScores(words=vectors.count(), coverage=coverage, **scores)


def refuse_bad_vectors(scores: WordScores, config: TrainWord2vec) -> None:
    """Raise InputError if word vectors do not pass the quality gate.

    Raises:
        InputError: scores are below their floors; the message lists all of them.
    """
    faults = []
    if scores.analogies is not None and scores.analogies < config.min_analogies:
        faults.append(f"analogies {scores.analogies:.3f} < min_analogies {config.min_analogies}")
    floors = config.min_similarities or [-1.0] * len(scores.spearman)
    for (name, value), floor in zip(scores.spearman.items(), floors, strict=True):
        if not value >= floor:  # NaN counts as below every floor.
            faults.append(f"Spearman of {name} {value:.3f} < {floor} of min_similarities")
    for name, value in scores.coverage.items():
        if value < config.min_coverage:
            faults.append(f"coverage of {name} {value:.3f} < min_coverage {config.min_coverage}")
    if faults:
        raise InputError(
            f"word vectors below the quality gate ({'; '.join(faults)}); the old vectors stay. "
            "Train on more text or for more epochs, or lower the gate of train_word2vec"
        )


def _keyed_vectors(batches: Iterator[pa.RecordBatch]) -> KeyedVectors:
    """Return word vectors in the order in which they come."""
    words: list[str] = []
    blocks = []
    for batch in batches:
        words += batch.column(0).to_pylist()
        blocks.append(np.stack(batch.column(1).to_numpy(zero_copy_only=False)))
    known = KeyedVectors(blocks[0].shape[1] if blocks else 1)
    if blocks:
        known.add_vectors(words, np.concatenate(blocks))
    return known
