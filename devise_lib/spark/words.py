"""SENTENCES to word vectors: one task trains with gensim on all threads of its machine."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.errors import InputError
from devise_lib.spark.metrics import Metric
from devise_lib.spark.schemas import WORD_VECTORS
from devise_lib.text.word_vectors import (
    KeyedVectors,
    Word2VecParams,
    analogies,
    iter_words,
    save_word2vec,
    similarity,
    train,
)

ROWS = 1_000  # vectors a batch
ARROW_ROWS = pa.schema(
    [("word", pa.string()), ("count", pa.int64()), ("vector", pa.list_(pa.float32()))]
)


@dataclass(frozen=True)
class WordTests:
    """Files of word tests; absolute paths that every executor sees."""

    analogies: str
    restrict_vocab: int
    similarities: Sequence[str]


@dataclass(frozen=True)
class WordScores:
    """How good the vectors are.

    Attributes:
        words: distinct words that have a vector.
        analogies: share right in [0, 1] of the questions whose words are known; None: not asked.
        questions: how many those are.
        spearman: by the name of the test file, rank correlation with the human scores.
        pairs: by the name of the test file, the pairs whose words are known.
    """

    words: int
    analogies: float | None
    questions: int
    spearman: dict[str, float]
    pairs: dict[str, int]

    def flat(self) -> dict[str, float]:
        """The scores by name, as MLflow wants them."""
        values = {f"spearman_{Path(name).stem}": value for name, value in self.spearman.items()}
        asked = {} if self.analogies is None else {"analogies": self.analogies}
        return {"words": float(self.words), **asked, **values}

    def metrics(self) -> list[Metric]:
        """The scores as rows of METRICS."""

        def row(test: str, metric: str, value: float) -> Metric:
            return Metric("word2vec", test, "", metric, None, value)

        rows = [row("", "words", self.words)]
        if self.analogies is not None:
            rows.append(row("analogies", "analogies", self.analogies))
            rows.append(row("analogies", "questions", self.questions))
        for name, value in self.spearman.items():
            rows += [row(name, "spearman", value), row(name, "pairs", self.pairs[name])]
        return rows


def train_in_one_task(
    sentences: DataFrame, params: Word2VecParams, tests: WordTests, folder: Path
) -> DataFrame:
    """Word vectors as rows of WORD_VECTORS, trained when the result is read.

    The task streams the sentences to its own disk, so its memory holds the vectors (twice
    words x vector_size x 4 bytes) and never the corpus. It leaves `word_vectors.bin` (word2vec's
    format) and `scores.json` in `folder`, which all machines see.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with tempfile.TemporaryDirectory(prefix="devise-corpus-") as scratch:
            corpus = Path(scratch) / "corpus.txt"
            with corpus.open("w", encoding="utf-8") as lines:
                for batch in batches:
                    lines.writelines(f"{line}\n" for line in batch.column(0).to_pylist())
            vectors = train(str(corpus), params)
        save_word2vec(
            ((word, count, vector) for word, count, vector in iter_words(vectors)),
            len(vectors),
            params.vector_size,
            str(folder / "word_vectors.bin"),
        )
        scores = json.dumps(asdict(measure(vectors, tests)))
        (folder / "scores.json").write_text(scores, encoding="utf-8")
        yield from _arrow_rows(vectors)

    lines = sentences.select(F.concat_ws(" ", "tokens").alias("line"))
    return lines.coalesce(1).mapInArrow(run, WORD_VECTORS)


def measure(vectors: KeyedVectors, tests: WordTests) -> WordScores:
    """The scores of the word tests that there are files for."""
    asked = analogies(vectors, tests.analogies, tests.restrict_vocab) if tests.analogies else None
    similar = {Path(path).name: similarity(vectors, path) for path in tests.similarities}
    return WordScores(
        words=len(vectors),
        analogies=asked.total_percent / 100 if asked else None,
        questions=asked.used if asked else 0,
        spearman={name: score.spearman for name, score in similar.items()},
        pairs={name: score.used for name, score in similar.items()},
    )


def read_scores(folder: Path) -> WordScores:
    """What the training task left in `folder`."""
    return WordScores(**json.loads((folder / "scores.json").read_text(encoding="utf-8")))


def refuse_bad_vectors(scores: WordScores, min_analogies: float, min_similarity: float) -> None:
    """The quality gate.

    Raises:
        InputError: a score is below its floor; says both.
    """
    faults = []
    if scores.analogies is not None and scores.analogies < min_analogies:
        faults.append(f"analogies {scores.analogies:.3f} < min_analogies {min_analogies}")
    first = next(iter(scores.spearman.items()), None)
    if first is not None and not first[1] >= min_similarity:  # nan is below every floor
        faults.append(f"Spearman of {first[0]} {first[1]:.3f} < min_similarity {min_similarity}")
    if faults:
        raise InputError(
            f"word vectors below the quality gate ({'; '.join(faults)}); the old ones stay. "
            "Train on more text or for more epochs, or lower the gate of train_word2vec"
        )


def _arrow_rows(vectors: KeyedVectors) -> Iterator[pa.RecordBatch]:
    rows: Iterator[tuple[Any, ...]] = iter_words(vectors)
    while block := list(islice(rows, ROWS)):
        words, counts, values = zip(*block, strict=True)
        columns = {"word": words, "count": counts, "vector": [v.tolist() for v in values]}
        yield pa.RecordBatch.from_pydict(columns, schema=ARROW_ROWS)
