"""How good word vectors are, and the gate that bad ones do not pass."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.config.words import TrainWord2vec
from devise_lib.errors import InputError
from devise_lib.spark.tables.metrics_table import Metric
from devise_lib.text.vectors.word2vec import KeyedVectors
from devise_lib.text.vectors.word_tests import analogies, check_tests, similarity, words_of_pairs


@dataclass(frozen=True)
class WordTests:
    """Files of word tests; absolute paths that every executor sees."""

    analogies: str
    restrict_vocab: int
    similarities: Sequence[str]

    @classmethod
    def of(cls, config: TrainWord2vec) -> "WordTests":
        """The tests that a configuration names; their files are read here, for early errors.

        Raises:
            InputError: one of them is not as it must be.
        """
        asked = os.path.abspath(config.analogies) if config.analogies else ""
        pairs = [os.path.abspath(path) for path in config.similarities]
        check_tests(asked, pairs)
        return cls(asked, config.restrict_vocab, pairs)


@dataclass(frozen=True)
class WordScores:
    """How good the vectors are.

    Attributes:
        words: distinct words that have a vector.
        analogies: share right in [0, 1] of the questions whose words are known; None: not asked.
        questions: how many those are.
        spearman: by the name of the test file, rank correlation with the human scores.
        pairs: by the name of the test file, the pairs whose words are known.
        coverage: by label set, the share of its labels that have a vector.
    """

    words: int
    analogies: float | None
    questions: int
    spearman: Mapping[str, float]
    pairs: Mapping[str, int]
    coverage: Mapping[str, float]

    def flat(self) -> dict[str, float]:
        """The scores by name, as MLflow wants them."""
        return {
            "words": float(self.words),
            **({} if self.analogies is None else {"analogies": self.analogies}),
            **{f"spearman_{Path(name).stem}": value for name, value in self.spearman.items()},
            **{f"coverage_{name}": value for name, value in self.coverage.items()},
        }

    def metrics(self) -> list[Metric]:
        """The scores as rows of METRICS; embed_labels writes the coverage."""

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
    """The scores of the word tests that there are files for.

    One task holds the vectors that the tests ask for: `restrict_vocab` of the commonest words, and
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

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
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
    """The quality gate.

    Raises:
        InputError: a score is below its floor; names all that are.
    """
    faults = []
    if scores.analogies is not None and scores.analogies < config.min_analogies:
        faults.append(f"analogies {scores.analogies:.3f} < min_analogies {config.min_analogies}")
    floors = config.min_similarities or [-1.0] * len(scores.spearman)
    for (name, value), floor in zip(scores.spearman.items(), floors, strict=True):
        if not value >= floor:  # nan is below every floor
            faults.append(f"Spearman of {name} {value:.3f} < {floor} of min_similarities")
    for name, value in scores.coverage.items():
        if value < config.min_coverage:
            faults.append(f"coverage of {name} {value:.3f} < min_coverage {config.min_coverage}")
    if faults:
        raise InputError(
            f"word vectors below the quality gate ({'; '.join(faults)}); the old ones stay. "
            "Train on more text or for more epochs, or lower the gate of train_word2vec"
        )


def _keyed_vectors(batches: Iterator[pa.RecordBatch]) -> KeyedVectors:
    """Word vectors in the order in which they come."""
    words: list[str] = []
    blocks = []
    for batch in batches:
        words += batch.column(0).to_pylist()
        blocks.append(np.stack(batch.column(1).to_numpy(zero_copy_only=False)))
    known = KeyedVectors(blocks[0].shape[1] if blocks else 1)
    if blocks:
        known.add_vectors(words, np.concatenate(blocks))
    return known
