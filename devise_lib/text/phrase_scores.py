"""Scores of bigrams by gensim: how much more often two words are adjacent than by chance."""

from collections.abc import Iterable
from typing import Literal

import numpy as np
from gensim.models.phrases import npmi_scorer, original_scorer
from numpy.typing import NDArray

Scoring = Literal["default", "npmi"]
_SCORERS = {"default": original_scorer, "npmi": npmi_scorer}


def score_bigrams(
    counts: Iterable[tuple[int, int, int]],
    vocabulary: int,
    corpus_words: int,
    min_count: int,
    scoring: Scoring,
) -> NDArray[np.float64]:
    """Returns the scores (n,) of n bigrams, as `gensim.models.phrases.Phrases` computes them.

    - default: (n_ab - min_count) / (n_a n_b) * vocabulary. It grows with the corpus, so a threshold
      holds for corpora of one size.
    - npmi: ln(p_ab / (p_a p_b)) / -ln p_ab, in [-1, 1]; -inf below min_count.

    Args:
        counts: per bigram, how often its first word, its second word and both adjacent occur.
        vocabulary: the number of distinct words and distinct bigrams together, as in gensim.
        corpus_words: all words of the corpus, with repetitions.
        min_count: of the bigram.
        scoring: "default" or "npmi".

    Source: Mikolov et al., Distributed Representations of Words and Phrases and their
    Compositionality, 2013, eq. 6; Bouma, Normalized (Pointwise) Mutual Information in Collocation
    Extraction, 2009.
    """
    scorer = _SCORERS[scoring]
    return np.array(
        [scorer(a, b, both, vocabulary, min_count, corpus_words) for a, b, both in counts],
        dtype=np.float64,
    )
