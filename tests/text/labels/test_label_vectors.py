"""The vector of a label, against a slow search that follows the rules to the letter."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.text.labels.label_files import Label
from devise_lib.text.labels.label_vectors import candidate_tokens, choose_vector, spellings

VECTORS = {
    "dog": np.array([3, 4], dtype=np.float32),
    "snow_leopard": np.array([0, 2], dtype=np.float32),
    "bird": np.array([5, 0], dtype=np.float32),
    "prey": np.array([0, 7], dtype=np.float32),
    "nothing": np.array([0, 0], dtype=np.float32),
}
HALF = [0.5**0.5, 0.5**0.5]


def label(*terms):
    return Label("n1", terms, True, "set")


@pytest.mark.parametrize(
    ("terms", "term", "vector", "coverage"),
    [
        (("Snow leopard", "dog"), "Snow leopard", [0, 1], "exact"),
        (("snow leopard (cat)", "dog"), "snow leopard (cat)", [0, 1], "exact"),
        (("yak", "dog", "bird"), "dog", [0.6, 0.8], "synonym"),
        (("bird of prey", "bird"), "bird", [1, 0], "synonym"),
        (("yak calf", "bird of prey"), "bird of prey", HALF, "averaged"),
        (("bird-of-Prey",), "bird-of-Prey", HALF, "averaged"),
        (("dog's nose",), "dog's nose", [0.6, 0.8], "averaged"),
        (("dogs",), None, None, "missing"),  # nothing is stemmed
        (("yak", "nothing"), None, None, "missing"),
        (("of the",), None, None, "missing"),
        (("?!", ""), None, None, "missing"),
    ],
)
def test_takes_the_first_term_then_a_synonym_then_a_mean(terms, term, vector, coverage):
    chosen = choose_vector(label(*terms), VECTORS)
    assert (chosen.term, chosen.coverage) == (term, coverage)
    if vector is None:
        assert chosen.vector is None
    else:
        np.testing.assert_allclose(chosen.vector, vector, rtol=1e-6)


@pytest.mark.parametrize(
    ("term", "tokens"),
    [
        ("dalmatian", ["dalmatian"]),
        ("German shepherd", ["german_shepherd", "German_shepherd", "german-shepherd"]),
        ("sea-lion", ["sea_lion", "sea-lion"]),
        ("sea lion", ["sea_lion", "sea-lion"]),
        ("Sea-lion (animal)", ["sea_lion", "Sea-lion", "sea-lion"]),
        ("St. Bernard", ["st_bernard", "St._Bernard", "st._bernard", "st-bernard"]),
        ("jack-o'-lantern", ["jack_o_lantern", "jack-o'-lantern", "jack-o-lantern"]),
        ("Boeing 747", ["boeing_747", "Boeing_747", "boeing-747"]),
        ("24/7", ["24_7", "24/7", "24-7"]),
        ("Caf\u00e9", ["caf\u00e9", "Caf\u00e9"]),
        ("to", ["to"]),
        ("?!", []),
    ],
)
def test_a_term_is_looked_for_in_the_spellings_of_several_tools_in_their_order(term, tokens):
    assert spellings(term) == tokens


def test_a_vocabulary_of_another_tool_is_searched_in_the_same_order():
    place = {w: np.eye(5, dtype=np.float32)[i] for i, w in enumerate(["sea-lion", "Sea", "lion"])}
    assert choose_vector(label("Sea lion"), place).vector.tolist() == [1, 0, 0, 0, 0]
    del place["sea-lion"]
    chosen = choose_vector(label("Sea lion"), place)
    assert chosen.coverage == "averaged"  # "Sea" as it is written, "lion"
    np.testing.assert_allclose(chosen.vector, [0, *HALF, 0, 0], rtol=1e-6)
    place["sea"] = np.eye(5, dtype=np.float32)[4]
    np.testing.assert_allclose(
        choose_vector(label("Sea lion"), place).vector, [0, 0, HALF[0], 0, HALF[0]], rtol=1e-6
    )


def test_vectors_of_very_large_or_small_numbers_come_out_with_unit_norm():
    for size in (1e-40, 1e30, 3e38):
        chosen = choose_vector(label("cat"), {"cat": np.array([size, -size], dtype=np.float32)})
        np.testing.assert_allclose(chosen.vector, [HALF[0], -HALF[0]], rtol=1e-3)


FUNCTION_WORDS = re.findall(r"\w+", "a an and at by for from in of on or the to with")


def by_the_rules(terms, vocabulary):
    """The term, the coverage and the tokens of the vector; lists every spelling there is."""
    split = [re.findall(r"[^\W_]+", re.sub(r" \(.*\)", "", term)) for term in terms]
    for place, (term, parts) in enumerate(zip(terms, split, strict=True)):
        lower = [part.lower() for part in parts]
        bare = re.sub(r" \(.*\)", "", term).replace(" ", "_")
        for token in ("_".join(lower), bare, bare.lower(), "-".join(lower)):
            if token in vocabulary:
                return term, "exact" if place == 0 else "synonym", [token]
    for term, parts in zip(terms, split, strict=True):
        content = [part for part in parts if part.lower() not in FUNCTION_WORDS] or parts
        tokens = [next((t for t in (p.lower(), p) if t in vocabulary), None) for p in content]
        if any(tokens):
            return term, "averaged", [token for token in tokens if token]
    return None, "missing", []


part = st.sampled_from(["Sea", "lion", "snow", "of", "The", "747", "caf\u00e9", "Owl"])
name = st.tuples(
    st.lists(part, min_size=1, max_size=3), st.sampled_from(" -"), st.sampled_from(["", " (duck)"])
).map(lambda made: made[1].join(made[0]) + made[2])


@given(st.lists(name, min_size=1, max_size=4), st.data())
def test_the_choice_is_that_of_a_search_through_every_spelling(terms, data):
    asked = candidate_tokens(label(*terms))
    assert len(asked) == len(set(asked))
    vocabulary = data.draw(st.lists(st.sampled_from([*asked, "duck", "unknown"]), unique=True))
    rng = np.random.default_rng(len(vocabulary))
    vectors = {token: rng.standard_normal(5).astype(np.float32) for token in vocabulary}

    chosen = choose_vector(label(*terms), vectors)

    term, coverage, tokens = by_the_rules(terms, vocabulary)
    assert (chosen.term, chosen.coverage) == (term, coverage)
    if tokens:
        mean = sum(vectors[token] / np.linalg.norm(vectors[token]) for token in tokens)
        np.testing.assert_allclose(chosen.vector, mean / np.linalg.norm(mean), atol=1e-5)


@given(st.lists(st.text(max_size=12), min_size=1, max_size=3), st.booleans())
def test_whatever_the_terms_are_only_candidate_tokens_are_asked_for(terms, found):
    asked = []

    def lookup(token):
        asked.append(token)
        return np.array([3, 4], dtype=np.float32) if found else None

    one = label(*terms)
    chosen = choose_vector(one, lookup)
    assert set(asked) <= set(candidate_tokens(one))
    if not found:  # so every candidate was asked for
        assert set(asked) == set(candidate_tokens(one))
    assert (chosen.vector is None) == (chosen.coverage == "missing") == (chosen.term is None)
    if chosen.vector is not None:
        assert chosen.vector.tolist() == pytest.approx([0.6, 0.8])
        assert chosen.vector.dtype == np.float32


@pytest.mark.data
def test_every_name_of_imagenet_has_spellings_without_white_space(devise_data):
    lines = (devise_data / "labels" / "imagenet21k_words.txt").read_text().splitlines()
    terms = [line.split("\t")[1].split(",")[0] for line in lines]
    assert len(terms) > 80_000
    assert all(spellings(term) for term in terms)
    assert all(token.split() == [token] for term in terms for token in spellings(term))
