"""Train, write and read word vectors with gensim; word_tests has their tests."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gensim.models import KeyedVectors, Word2Vec
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.text.word_tests import (
    AnalogyScore,
    SectionScore,
    SimilarityScore,
    analogies,
    similarity,
)

__all__ = [
    "AnalogyScore",
    "KeyedVectors",
    "SectionScore",
    "SimilarityScore",
    "Word2VecParams",
    "analogies",
    "iter_words",
    "load_word2vec",
    "save_word2vec",
    "similarity",
    "train",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Word2VecParams:
    """Gensim's names and meanings; `workers` is the number of threads."""

    vector_size: int
    window: int
    min_count: int
    negative: int
    hs: int
    sg: int
    sample: float
    epochs: int
    alpha: float
    seed: int
    workers: int


def train(corpus_path: str, params: Word2VecParams) -> KeyedVectors:
    """Word vectors of a text file with a sentence a line, words separated by spaces.

    Words come in the order of their counts, the commonest first. More than one worker makes
    the result differ from run to run: threads update the same vectors without locks.

    Raises:
        InputError: the file is missing, or no word comes `min_count` times in it.
    """
    if not Path(corpus_path).is_file():
        raise InputError(f"no corpus at {corpus_path}; want a text file, one sentence a line")
    model = Word2Vec(
        vector_size=params.vector_size,
        window=params.window,
        min_count=params.min_count,
        negative=params.negative,
        hs=params.hs,
        sg=params.sg,
        sample=params.sample,
        epochs=params.epochs,
        alpha=params.alpha,
        seed=params.seed,
        workers=params.workers,
    )
    if Path(corpus_path).stat().st_size:
        model.build_vocab(corpus_file=corpus_path)
    if not len(model.wv):
        raise InputError(
            f"no word to train on: {corpus_path} has {model.corpus_count} sentences and "
            f"{model.corpus_total_words} words, none of which comes min_count = "
            f"{params.min_count} times; give more text or set train_word2vec.min_count lower"
        )
    model.train(
        corpus_file=corpus_path,
        total_examples=model.corpus_count,
        total_words=model.corpus_total_words,
        epochs=params.epochs,
    )
    return model.wv


def iter_words(vectors: KeyedVectors) -> Iterator[tuple[str, int, NDArray[np.float32]]]:
    """Each word with its count and its vector (vector_size,), as trained, the commonest first."""
    for place, word in enumerate(vectors.index_to_key):
        yield word, int(vectors.get_vecattr(word, "count")), vectors.vectors[place]


def save_word2vec(
    rows: Iterable[tuple[str, int, NDArray[np.float32]]], count: int, vector_size: int, path: str
) -> None:
    """Write `path` in the binary format of word2vec, and the counts beside it in `path`.vocab.

    One row is held at a time. The files appear whole or not at all.
    `KeyedVectors.load_word2vec_format(path, fvocab=path + ".vocab", binary=True)` reads them.

    Args:
        rows: word, count and vector (vector_size,); the commonest first, as readers expect.
        count: how many rows there are; the format's header wants it first.
        vector_size: length of a vector.
        path: the file to write.

    Raises:
        InputError: there are more or fewer rows, a vector has another length, or a word holds
            white space, which the format cannot hold.
    """
    target, vocabulary = Path(path), Path(f"{path}.vocab")
    drafts = [Path(f"{file}.part") for file in (target, vocabulary)]
    try:
        with drafts[0].open("wb") as vectors, drafts[1].open("w", encoding="utf-8") as counts:
            vectors.write(f"{count} {vector_size}\n".encode())
            written = 0
            for written, (word, word_count, vector) in enumerate(rows, start=1):
                if len(vector) != vector_size or word.split() != [word]:
                    raise InputError(
                        f"{path}: row {written} is {word!r} with a vector of length {len(vector)}, "
                        f"want a word without white space and a vector of length {vector_size}"
                    )
                vectors.write(word.encode() + b" " + np.asarray(vector, dtype="<f4").tobytes())
                counts.write(f"{word} {word_count}\n")
        if written != count:
            raise InputError(f"{path}: {written} words came, want the {count} that were announced")
        drafts[1].replace(vocabulary)
        drafts[0].replace(target)
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)


def load_word2vec(path: str) -> KeyedVectors:
    """Read what `save_word2vec` wrote, or any binary word2vec file (then without its counts).

    Raises:
        InputError: the file is missing, cut off or of another format.
    """
    vocabulary = f"{path}.vocab"
    try:
        return KeyedVectors.load_word2vec_format(
            path, fvocab=vocabulary if Path(vocabulary).is_file() else None, binary=True
        )
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{path}: want vectors in word2vec's binary format ({error})") from None
