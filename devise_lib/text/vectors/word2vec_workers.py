"""Trains word vectors with several workers that merge their weights many times per pass.

All workers start from the same weights, and each trains on a piece of its own share of the corpus.
Then the changes of all workers are added, and all continue from the sum. There are three design
decisions:

- A sum, because a mean divides every step by the number of workers.
- Frequent merges, because workers that all move a common word in the same direction overshoot
  together.
- Common words are merged after every piece, and rare ones less often. The merges of a row then
  follow Zipf's law as its changes do, which saves most of the traffic.

Sources: the objective as in word2vec.py; the frequency of merges by rank: S. Ji et al.,
Parallelizing word2vec in shared and distributed memory, 2016.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from gensim.models import KeyedVectors, Word2Vec
from gensim.models.word2vec_corpusfile import CythonVocab, train_epoch_cbow, train_epoch_sg
from numpy.typing import NDArray

from devise_lib.numerics.merging import damping, merges_between, rows_to_merge
from devise_lib.text.vectors.exchange import Exchange
from devise_lib.text.vectors.word2vec import Word2VecParams, new_model

_BLOCK_ROWS = 1 << 15  # rows summed at once; bounds the memory of a merge
# The share of the distance to its target that a row moves in a gradient step of learning rate 1.
# It was found by trials with 8 workers: with a far smaller value common words overshoot, and with
# a far greater one they stop moving.
PROGRESS = 0.02


@dataclass(frozen=True, slots=True)
class Piece:
    """What a worker trains on between two merges: one file per thread, with one sentence per
    line.
    """

    files: tuple[Path, ...]
    words: tuple[int, ...]  # in each file


def write_pieces(lines: Iterable[str], folder: Path, words: int, threads: int) -> Iterator[Piece]:
    """Divides sentences, in their order, into pieces of about `words` words.

    A piece ends with the sentence that fills it. Its sentences are dealt to its files in turn.

    Args:
        lines: sentences, their words separated by spaces; none is empty.
        folder: of the files.
        words: per piece.
        threads: the number of files per piece.
    """
    rest = iter(lines)
    line = next(rest, None)
    number = 0
    while line is not None:
        files = tuple(folder / f"{number}-{thread}.txt" for thread in range(threads))
        held: list[list[str]] = [[] for _ in files]
        counts = [0] * threads
        turn = 0
        while line is not None and sum(counts) < words:
            held[turn].append(line)
            counts[turn] += line.count(" ") + 1
            turn = (turn + 1) % threads
            line = next(rest, None)
        for file, sentences in zip(files, held, strict=True):
            file.write_text("\n".join(sentences), encoding="utf-8")
        yield Piece(files, tuple(counts))
        number += 1


class Learner:
    """One worker's weights, which each merge makes equal to those of the others.

    Args:
        vocabulary: words and their counts, the most frequent first; the same for all workers.
        params: gensim's; `workers` is the number of threads.
        rank: this worker's number, from 0.
        merges: per pass; the learning rate falls linearly over those of all passes.
        words: per piece.
    """

    def __init__(
        self,
        vocabulary: Mapping[str, int],
        params: Word2VecParams,
        rank: int,
        merges: int,
        words: int,
    ) -> None:
        self._params, self.merges = params, merges
        self.all_merges = merges * params.epochs
        model = new_model(vocabulary, replace(params, epochs=self.all_merges, workers=1))
        model.random = np.random.RandomState((params.seed + rank) % 2**32)  # draws the negatives
        self._model = model
        self._words = CythonVocab(model.wv, hs=params.hs)
        self._epoch = train_epoch_sg if params.sg else train_epoch_cbow
        self._trained = _matrices(model)
        self._common = [matrix.copy() for matrix in self._trained]
        apart = words * merges_between(len(vocabulary), merges)
        self._steps = [steps * apart[: len(steps)] for steps in _steps_per_word(model)]

    @property
    def vectors(self) -> KeyedVectors:
        """The words and their current vectors."""
        return self._model.wv

    def learn(self, piece: Piece, merge: int) -> None:
        """Trains on the piece before merge number `merge`, counted from 1."""

        def one(file: Path, words: int) -> None:
            size = self._params.vector_size
            work = [np.zeros(size, dtype=np.float32) for _ in range(2)]
            # Gensim's own inner loop; one file counts as an epoch, and all merges as all epochs.
            self._epoch(
                self._model, str(file), 0, self._words, merge - 1, None, words, *work, False
            )

        full = [(f, n) for f, n in zip(piece.files, piece.words, strict=True) if n]
        with ThreadPoolExecutor(len(piece.files)) as threads:
            for done in [threads.submit(one, *pair) for pair in full]:
                done.result()

    def merge(self, exchange: Exchange, merge: int) -> None:
        """Adds what all workers have learned since the last merge; `merge` counts from 1."""
        rows = len(self.vectors)
        if merge % self.merges:
            rows = rows_to_merge(merge, rows)
        alpha = self._params.alpha * (1.0 - (merge - 0.5) / self.all_merges)
        for trained, common, steps in zip(self._trained, self._common, self._steps, strict=True):
            part = damping(PROGRESS * alpha * steps[:rows], exchange.workers).astype(np.float32)
            for start in range(0, min(rows, len(common)), _BLOCK_ROWS):
                block = slice(start, min(start + _BLOCK_ROWS, rows))
                total = exchange.sum_rows(trained[block] - common[block])
                common[block] += total * part[block, None]
                trained[block] = common[block]


def learn_together(learner: Learner, exchange: Exchange, pieces: Sequence[Piece]) -> None:
    """Trains on this worker's pieces, pass after pass, in step with the other workers.

    Args:
        learner: this worker's weights.
        exchange: the connections; all workers call this function at about the same time.
        pieces: of this worker. A worker with fewer pieces than others still takes part in all
            merges.
    """
    for merge in range(1, learner.all_merges + 1):
        place = (merge - 1) % learner.merges
        if place < len(pieces):
            learner.learn(pieces[place], merge)
        learner.merge(exchange, merge)


def _matrices(model: Word2Vec) -> list[NDArray[np.float32]]:
    """Returns the matrices that gensim trains, each with the most frequent words first."""
    found = [model.wv.vectors]
    if model.negative:
        found.append(model.syn1neg)
    if model.hs:
        # Inner nodes of the tree of words, one fewer than words. Gensim has the root, which every
        # pair trains, last, so the order is reversed.
        found.append(model.syn1[-2::-1])
    return found


def _steps_per_word(model: Word2Vec) -> list[NDArray[np.float64]]:
    """Returns the expected gradient steps of each row per word of text, matrix by matrix."""
    counts = model.wv.expandos["count"].astype(np.float64)
    kept = model.wv.expandos["sample_int"] / 2.0**32 if model.sample else 1.0
    # Skip-gram pairs a word with each neighbour, window + 1 on average; CBOW with their mean, once.
    pairs = counts / counts.sum() * kept * (model.window + 1 if model.sg else 1)
    steps = 0.0
    outputs = []
    if model.negative:
        drawn = counts**model.ns_exponent
        outputs.append(pairs + pairs.sum() * model.negative * drawn / drawn.sum())
        steps += model.negative + 1
    if model.hs:
        points = model.wv.expandos["point"]
        lengths = np.array([len(path) for path in points])
        nodes = np.bincount(
            np.concatenate(points), np.repeat(pairs, lengths), minlength=len(counts) - 1
        )
        outputs.append(nodes[::-1])
        steps += float(pairs @ lengths / pairs.sum())
    return [pairs * steps, *outputs]
