"""Train word vectors with gensim, on all threads of one machine.

Source: T. Mikolov et al., Distributed representations of words and phrases and their
compositionality, 2013.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gensim.models import KeyedVectors, Word2Vec

from devise_lib.errors import InputError

__all__ = ["CorpusSize", "KeyedVectors", "Word2VecParams", "new_model", "train"]

_BYTES_A_WORD = 800  # of gensim's and C++'s dictionaries and, with hs, the codes; measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Word2VecParams:
    """Gensim's names and meanings; `workers` is the number of threads of a machine."""

    vector_size: int
    window: int
    negative: int
    hs: int
    sg: int
    sample: float
    epochs: int
    alpha: float
    seed: int
    workers: int

    def matrices(self) -> int:
        """How many matrices of (words, vector_size) are trained."""
        return 1 + (self.negative > 0) + self.hs

    def memory_bytes(self, words: int, copies: int = 1) -> int:
        """About what training takes: `copies` of each matrix in float32, and the vocabulary."""
        return words * (copies * self.matrices() * self.vector_size * 4 + _BYTES_A_WORD)


@dataclass(frozen=True, slots=True)
class CorpusSize:
    """What gensim wants to know of a corpus before it reads it."""

    sentences: int
    words: int  # also those that are too rare for a vector
    text_bytes: int  # of its lines


def new_model(vocabulary: Mapping[str, int], params: Word2VecParams) -> Word2Vec:
    """An untrained model of these words; the same in every process that has the same arguments.

    Args:
        vocabulary: words and their counts, the commonest first.
        params: see the class.
    """
    model = Word2Vec(
        vector_size=params.vector_size,
        window=params.window,
        min_count=1,  # the vocabulary has been chosen
        negative=params.negative,
        hs=params.hs,
        sg=params.sg,
        sample=params.sample,
        epochs=params.epochs,
        alpha=params.alpha,
        seed=params.seed,
        workers=params.workers,
    )
    model.build_vocab_from_freq(dict(vocabulary))
    return model


def train(
    corpus_path: str, vocabulary: Mapping[str, int], size: CorpusSize, params: Word2VecParams
) -> KeyedVectors:
    """Word vectors of a text file with a sentence a line, words separated by spaces.

    Words come in the order of their counts, the commonest first. More than one thread makes
    the result differ from run to run: threads update the same vectors without locks.

    Args:
        corpus_path: the file.
        vocabulary: words that get a vector, with their counts; the others are left out.
        size: of the file.
        params: see the class.

    Raises:
        InputError: the file is missing, or there is no word to train on.
    """
    if not Path(corpus_path).is_file():
        raise InputError(f"no corpus at {corpus_path}; want a text file, one sentence a line")
    if not vocabulary or not size.words:
        raise InputError(
            f"no word to train on: {corpus_path} has {size.sentences} sentences and {size.words} "
            f"words, and the vocabulary has {len(vocabulary)}"
        )
    model = new_model(vocabulary, params)
    model.train(
        corpus_file=corpus_path,
        total_examples=size.sentences,
        total_words=size.words,
        epochs=params.epochs,
    )
    return model.wv
