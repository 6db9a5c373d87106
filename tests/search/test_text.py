import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.search.text import LONGEST_PHRASE, candidate_terms, embed_text

VECTORS = {
    "snow": np.array([1.0, 0, 0]),
    "leopard": np.array([0, 5.0, 0]),
    "snow_leopard": np.array([0, 0, 2.0]),
    "minus_snow": np.array([-3.0, 0, 0]),
    "nothing": np.zeros(3),
}


def test_the_longest_known_phrase_is_one_term():
    found = embed_text(["snow", "leopard", "snow"], VECTORS)
    assert found.terms == ("snow_leopard", "snow")
    np.testing.assert_allclose(found.vector, [0.5**0.5, 0, 0.5**0.5], rtol=1e-6)


def test_long_vectors_weigh_no_more_than_short_ones():
    found = embed_text(["leopard", "snow"], VECTORS)
    np.testing.assert_allclose(found.vector, [0.5**0.5, 0.5**0.5, 0], rtol=1e-6)


def test_unknown_words_and_vectors_of_zeros_are_passed_over_and_named():
    found = embed_text(["xyzzy", "snow", "nothing"], VECTORS)
    assert (found.terms, found.unknown) == (("snow",), ("xyzzy", "nothing"))


def test_unwanted_words_are_subtracted():
    found = embed_text(["snow", "leopard"], VECTORS, ["snow", "leopard", "xyzzy"], 0.4)
    assert (found.terms, found.unknown) == (("snow_leopard", "snow_leopard"), ("xyzzy",))
    found = embed_text(["snow"], VECTORS, ["leopard"], negative_weight=0.75)
    np.testing.assert_allclose(found.vector, [0.8, -0.6, 0], rtol=1e-6)
    assert found.terms == ("snow", "leopard")
    np.testing.assert_allclose(found.query.contributions(np.eye(3)[:2]), [[0.8, 0], [0, -0.6]])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["xyzzy", "plugh"], "no word of the text has a vector: xyzzy, plugh"),
        ([], "it has no words"),
        (["snow", "minus", "snow"], "snow, minus_snow cancel out"),
    ],
)
def test_says_why_a_text_has_no_place(words, message):
    with pytest.raises(InputError, match=message):
        embed_text(words, VECTORS)


@given(st.lists(st.sampled_from("abc"), max_size=9), st.sets(st.sampled_from("abc"), min_size=1))
def test_terms_and_unknown_words_are_the_text_in_unit_length(words, known):
    terms = candidate_terms(words)
    vectors = {t: np.array([1.0, len(t), 3.0]) for t in terms if set(t.split("_")) <= known}
    if not vectors:
        with pytest.raises(InputError):
            embed_text(words, vectors)
        return
    found = embed_text(words, vectors)
    parts = [part for term in found.terms for part in term.split("_")]
    assert sorted([*parts, *found.unknown]) == sorted(words)
    assert all(len(term.split("_")) <= LONGEST_PHRASE for term in found.terms)
    assert np.linalg.norm(found.vector) == pytest.approx(1.0, abs=1e-6)
