"""A corpus of two worlds that share no word: vectors that learned anything tell them apart."""

import numpy as np

from devise_lib.text.vectors.word2vec import Word2VecParams

PARAMS = Word2VecParams(
    vector_size=16,
    window=3,
    negative=5,
    hs=0,
    sg=1,
    sample=0.0,
    epochs=4,
    alpha=0.05,
    seed=1,
    workers=1,
)


def make_lines(count: int) -> list[str]:
    """Sentences of six words, of a world of 20 animals and one of 20 vehicles in turn."""
    rng = np.random.default_rng(0)
    worlds = [[f"{kind}{n}" for n in range(20)] for kind in ("animal", "vehicle")]
    return [" ".join(rng.choice(worlds[n % 2], 6)) for n in range(count)]
