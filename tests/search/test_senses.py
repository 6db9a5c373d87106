import numpy as np
import pytest

from benchmarks.sense_quality import judge
from devise_lib.errors import InputError
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.search.senses import choose, find_senses

WORD = np.array([1.0, 0, 0, 0])
CATS, CARS = [0.8, 0.6, 0, 0], [0.8, 0, 0.6, 0]


def near(vector, n, seed):
    noise = 0.05 * np.random.default_rng(seed).standard_normal((n, 4))
    return l2_normalize(np.array(vector) + noise)


def test_terms_are_grouped_by_what_they_do_not_share_with_the_word():
    cats, cars = near(CATS, 4, 0), near(CARS, 2, 1)
    neighbours = np.stack([cats[0], cars[0], cats[1], cats[2], cars[1], cats[3]])
    senses = find_senses(WORD, ["lion", "volvo", "puma", "tiger", "ford", "lynx"], neighbours, 2)
    assert [sense.terms for sense in senses] == [
        ("lion", "puma", "tiger", "lynx"),
        ("volvo", "ford"),
    ]
    np.testing.assert_allclose(
        senses[1].vector, l2_normalize(cars.mean(axis=0)[None])[0], atol=1e-6
    )


def test_the_context_chooses():
    candidates, context = np.array([CARS, CATS]), near(CATS, 3, 2)
    order, cosines = choose(candidates, context)
    assert order.tolist() == [1, 0]
    mean = context.mean(axis=0) / np.linalg.norm(context.mean(axis=0))
    np.testing.assert_allclose(cosines, [mean @ CATS, mean @ CARS])


def test_too_little_is_refused():
    with pytest.raises(InputError, match="got 0 terms"):
        find_senses(WORD, [], np.zeros((0, 4)), 2)
    with pytest.raises(InputError, match="want candidates"):
        choose(np.zeros((1, 4)), np.zeros((0, 4)))
    with pytest.raises(InputError, match="want candidates"):
        choose(np.zeros((1, 4)), np.zeros((1, 3)))


def test_contexts_of_a_pseudo_word_are_judged_by_the_word_they_are_near():
    """Two words lie apart, each with terms about it, so its contexts tell its sense."""
    rng = np.random.default_rng(0)
    pair = np.eye(2, 10, dtype=np.float32)
    terms = [f"{kind}{n}" for kind in "ab" for n in range(40)]
    noise = 0.1 * rng.standard_normal((80, 10))
    vectors = l2_normalize(np.repeat(pair, 40, axis=0) + noise).astype(np.float32)
    contexts = (vectors[:5], vectors[40:50])
    found = judge(pair, (3.0, 2.0), terms, vectors, contexts, most=2)
    assert (found.senses, found.words, found.has_both) == (1.0, 1.0, True)
    swapped = judge(pair, (3.0, 2.0), terms, vectors, contexts[::-1], most=2)
    assert (swapped.senses, swapped.words) == (0.0, 0.0)
    one = judge(pair, (3.0, 2.0), terms, vectors, contexts, most=1)
    assert (one.senses, one.has_both) == (0.5, False)  # all contexts of one of the words
