"""Trains word vectors with gensim, on all threads of one machine.

Source: T. Mikolov et al., Distributed representations of words and phrases and their
compositionality, 2013.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gensim.models import KeyedVectors, Word2Vec

from devise_lib.errors import InputError

__all__ = ["CorpusSize", "KeyedVectors", "Word2VecParams", "new_model", "train"]

_BYTES_PER_WORD = 800  # gensim's and C++'s dictionaries and, with hs, the codes; measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Word2VecParams:
    """The parameters of training, with gensim's names; `workers` is the number of threads per
    machine.
    """

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
        """Returns the number of trained matrices of shape (words, vector_size)."""
        return 1 + (self.negative > 0) + self.hs

    def memory_bytes(self, words: int, copies: int = 1) -> int:
        """Estimates the memory of training: `copies` of each float32 matrix, and the vocabulary."""
        return words * (copies * self.matrices() * self.vector_size * 4 + _BYTES_PER_WORD)


@dataclass(frozen=True, slots=True)
class CorpusSize:
    """The size of a corpus, which gensim needs before it reads the corpus."""

    sentences: int
    words: int  # including those too rare for a vector
    text_bytes: int  # of all lines


def new_model(vocabulary: Mapping[str, int], params: Word2VecParams) -> Word2Vec:
    """Returns an untrained model of these words, which is the same in every process.

    Args:
        vocabulary: words and their counts, the most frequent first.
        params: the parameters of training.
    """
    model = Word2Vec(
        vector_size=params.vector_size,
        window=params.window,
        min_count=1,  # the vocabulary is already final
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
    """Trains word vectors on a text file with one sentence per line, words separated by spaces.

    The result is ordered by the words' counts, the most frequent first. With more than one thread
    it differs from run to run, because threads update the same vectors without locks.

    Args:
        corpus_path: of the file.
        vocabulary: words that get a vector, with their counts; other words are left out.
        size: of the file.
        params: the parameters of training.

    Raises:
        InputError: the file is missing, or there is no word to train on.
    """
    if not Path(corpus_path).is_file():
        raise InputError(f"no corpus at {corpus_path}; want a text file, one sentence per line")
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
