"""Train word vectors with several workers that merge what they have learned, many times a pass.

All workers start from the same weights. Each trains on a piece of its own share of the corpus;
then the changes of all are added up, and everybody goes on from the sum. The sum, since a mean
divides every step by the number of workers; often, since workers that all move a common word
towards the same place overshoot together. Common words are merged at every piece, rare ones less
often: a row's merges follow Zipf's law as its changes do, which spares most of the traffic.

Sources: the objective as in word2vec.py beside; the frequency of merges by rank: S. Ji et
al., Parallelizing word2vec in shared and distributed memory, 2016.
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

_BLOCK_ROWS = 1 << 15  # rows summed at once; bounds what a merge holds beside the weights
# Share of the way that a row goes in one gradient step of learning rate 1; found by trial with 8
# workers, where far less lets common words overshoot and far more stops them from moving.
PROGRESS = 0.02


@dataclass(frozen=True, slots=True)
class Piece:
    """What a worker learns between two merges: files of a sentence a line, one for each thread."""

    files: tuple[Path, ...]
    words: tuple[int, ...]  # in each file


def write_pieces(lines: Iterable[str], folder: Path, words: int, threads: int) -> Iterator[Piece]:
    """Deal sentences, in their order, to pieces of about `words` words.

    A piece ends with the sentence that fills it; its sentences go to its files in turn.

    Args:
        lines: sentences, their words separated by spaces; none is empty.
        folder: where the files go.
        words: of a piece.
        threads: files a piece.
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
    """One worker's weights, which merges make equal to the others' again.

    Args:
        vocabulary: words and their counts, the commonest first; the same for all workers.
        params: gensim's; `workers` is the number of threads.
        rank: this worker's number, from 0.
        merges: of a pass; the learning rate falls linearly over those of all passes.
        words: of a piece.
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
        model.random = np.random.RandomState((params.seed + rank) % 2**32)  # draws of negatives
        self._model = model
        self._words = CythonVocab(model.wv, hs=params.hs)
        self._epoch = train_epoch_sg if params.sg else train_epoch_cbow
        self._trained = _matrices(model)
        self._common = [matrix.copy() for matrix in self._trained]
        apart = words * merges_between(len(vocabulary), merges)
        self._steps = [steps * apart[: len(steps)] for steps in _steps_a_word(model)]

    @property
    def vectors(self) -> KeyedVectors:
        """The words and what has been learned of them so far."""
        return self._model.wv

    def learn(self, piece: Piece, merge: int) -> None:
        """Train on the piece before merge number `merge`, counted from 1."""

        def one(file: Path, words: int) -> None:
            size = self._params.vector_size
            work = [np.zeros(size, dtype=np.float32) for _ in range(2)]
            # Gensim's own inner loop: an "epoch" is one file here, of as many as there are merges.
            self._epoch(
                self._model, str(file), 0, self._words, merge - 1, None, words, *work, False
            )

        full = [(f, n) for f, n in zip(piece.files, piece.words, strict=True) if n]
        with ThreadPoolExecutor(len(piece.files)) as threads:
            for done in [threads.submit(one, *pair) for pair in full]:
                done.result()

    def merge(self, exchange: Exchange, merge: int) -> None:
        """Take what all workers have learned since the last merge; `merge` counts from 1."""
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
    """Train on this worker's pieces, pass after pass, in step with the other workers.

    Args:
        learner: this worker's weights.
        exchange: the connections; all workers call this function at about the same time.
        pieces: this worker's. One that has fewer than another takes part in the merges.
    """
    for merge in range(1, learner.all_merges + 1):
        place = (merge - 1) % learner.merges
        if place < len(pieces):
            learner.learn(pieces[place], merge)
        learner.merge(exchange, merge)


def _matrices(model: Word2Vec) -> list[NDArray[np.float32]]:
    """What gensim trains, each matrix with the rows of the commonest words first."""
    found = [model.wv.vectors]
    if model.negative:
        found.append(model.syn1neg)
    if model.hs:
        # Inner nodes of the tree of words, one fewer than words; the root, met at every pair, last.
        found.append(model.syn1[-2::-1])
    return found


def _steps_a_word(model: Word2Vec) -> list[NDArray[np.float64]]:
    """Gradient steps that a row is expected to take for each word of text, matrix by matrix."""
    counts = model.wv.expandos["count"].astype(np.float64)
    kept = model.wv.expandos["sample_int"] / 2.0**32 if model.sample else 1.0
    # Skip-gram pairs a word with each around it, window + 1 in the mean; CBOW once with their mean.
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
