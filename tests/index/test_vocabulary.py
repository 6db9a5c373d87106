import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.index.vocabulary import Vocabulary

NAMES = ["brown bear", "Wolf", "wolf", "snow_leopard", "the"]
VECTORS = np.eye(5, dtype=np.float32)
VOCABULARY = Vocabulary(NAMES, VECTORS, 2, "b")


@pytest.mark.parametrize(
    ("name", "row"),
    [
        *(("brown bear", 0), ("brown_bear", 0), ("Brown  Bear", 0)),
        *(("Wolf", 1), ("wolf", 2), ("WOLF", 2)),
        *(("snow leopard", 3), ("snow_leopard", 3)),
    ],
)
def test_a_name_is_found_as_written_or_by_its_words_in_small_letters(name, row):
    assert VOCABULARY[name].tolist() == VECTORS[row].tolist()
    assert name in VOCABULARY


def test_what_is_unknown_is_no_key():
    assert "cat" not in VOCABULARY
    assert 3 not in VOCABULARY
    assert VOCABULARY.get("cat") is None
    assert (len(VOCABULARY), list(VOCABULARY)) == (5, NAMES)


def test_the_nearest_names_of_vectors():
    query = np.array([[0.6, 0, 0, 0.8, 0], [0, 0.6, 0.8, 0, 0]])
    assert VOCABULARY.nearest(query, 2) == [
        [("snow_leopard", pytest.approx(0.8)), ("brown bear", pytest.approx(0.6))],
        [("wolf", pytest.approx(0.8)), ("Wolf", pytest.approx(0.6))],
    ]
    assert [each[0][0] for each in VOCABULARY.nearest(query, 1, True)] == ["brown bear", "Wolf"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["snow leopart"], r"b has no vector of snow leopart; .* did you mean snow_leopard\?"),
        (["wolf", "xyzzy"], "no vector of xyzzy; want words of words.txt$"),
        ([], "no vector of no word at all"),
    ],
)
def test_unknown_names_are_told_with_others_that_are_spelt_alike(names, message):
    with pytest.raises(InputError, match=message):
        VOCABULARY.mean(names)


def test_the_mean_is_of_unit_norm():
    found = VOCABULARY.mean(["wolf", "the"])
    np.testing.assert_allclose(found, [0, 0, 0.5**0.5, 0, 0.5**0.5], atol=1e-7)
