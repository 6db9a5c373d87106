import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.text.phrases import PhraseJoiner, joined_sentences, plural_forms
from devise_lib.text.tokens import sentences

some_words = st.sampled_from(["snow", "leopard", "cat", "sea", "a"])
token_lists = st.lists(some_words, max_size=12)
phrase_lists = st.lists(st.lists(some_words, max_size=4), max_size=8)


def join_slowly(tokens, phrases):
    """At each place try the phrases, the longest first."""
    joined = []
    while tokens:
        fitting = [p for p in phrases if len(p) > 1 and tokens[: len(p)] == p]
        longest = max(fitting, key=len, default=tokens[:1])
        joined.append("_".join(longest))
        tokens = tokens[len(longest) :]
    return joined


@given(token_lists, phrase_lists)
def test_joins_the_longest_phrase_at_each_word(tokens, phrases):
    assert PhraseJoiner(phrases).join(tokens) == join_slowly(tokens, phrases)


@given(token_lists, phrase_lists)
def test_joining_keeps_every_word_and_its_order(tokens, phrases):
    assert "_".join(PhraseJoiner(phrases).join(tokens)).split("_") == "_".join(tokens).split("_")


@given(token_lists, phrase_lists, st.randoms(use_true_random=False))
def test_joining_does_not_depend_on_the_order_of_the_phrases(tokens, phrases, random):
    shuffled = random.sample(phrases, len(phrases))
    assert PhraseJoiner(phrases).join(tokens) == PhraseJoiner(shuffled).join(tokens)


@given(phrase_lists)
def test_its_tokens_are_those_of_its_phrases(phrases):
    assert PhraseJoiner(phrases).tokens() == {"_".join(p) for p in phrases if len(p) > 1}


@given(token_lists, phrase_lists)
def test_a_joiner_that_has_travelled_joins_the_same(tokens, phrases):
    joiner = PhraseJoiner(phrases)
    assert pickle.loads(pickle.dumps(joiner)).join(tokens) == joiner.join(tokens)


def test_joining_leaves_the_sentence_that_it_was_given_as_it_is():
    tokens = ["the", "snow", "leopard"]
    joined = PhraseJoiner([("snow", "leopard")]).join(tokens)
    assert (joined, tokens) == (["the", "snow_leopard"], ["the", "snow", "leopard"])
    assert PhraseJoiner([]).join(tokens) is not tokens


@pytest.mark.parametrize(
    ("tokens", "want"),
    [
        ("red sea lion", "red_sea lion"),  # they overlap: the first to start wins
        ("sea lion", "sea_lion"),
        ("great white shark tank", "great_white_shark tank"),  # one inside another
        ("great white whale", "great_white whale"),
        ("white shark", "white_shark"),
        ("great white great white shark", "great_white great_white_shark"),
        ("great white shark", "great_white_shark"),
        ("bird of prey", "bird_of_prey"),
        ("bird of peace", "bird of peace"),  # a beginning only
        ("bird of", "bird of"),
    ],
)
def test_overlapping_and_nested_phrases(tokens, want):
    names = ["red sea", "sea lion", "great white", "white shark", "great white shark"]
    joiner = PhraseJoiner([name.split() for name in [*names, "bird of prey"]])
    assert joiner.join(tokens.split()) == want.split()


def test_phrases_are_found_whatever_the_case_where_asked():
    joiner = PhraseJoiner([("snow", "leopard")])
    tokens = ["The", "Snow", "LEOPARD", "Runs"]
    assert joiner.join(tokens, fold=True) == ["The", "snow_leopard", "Runs"]
    assert joiner.join(tokens) == tokens


def test_other_forms_are_joined_to_the_token_of_their_phrase():
    phrases = [("snow", "leopard"), ("snow", "leopards", "club"), ("small", "arms"), ("a", "b")]
    forms = {("snow", "leopards"): "snow_leopard", ("small", "arms"): "small_arm", ("alone",): "x"}
    joiner = PhraseJoiner(phrases, forms)
    assert joiner.join(["two", "snow", "leopards"]) == ["two", "snow_leopard"]
    assert joiner.join(["snow", "leopards", "club"]) == ["snow_leopards_club"]
    assert joiner.join(["small", "arms"]) == ["small_arms"]  # a phrase of its own
    assert joiner.join(["alone"]) == ["alone"]


@pytest.mark.parametrize(
    ("name", "plural"),
    [
        ("snow leopard", "snow leopards"),
        ("arctic fox", "arctic foxes"),
        ("fire watch", "fire watches"),
        ("butter fly", "butter flies"),
        ("blue jay", "blue jays"),
        ("timber wolf", "timber wolves"),
        ("table knife", "table knives"),
        ("brass roof", "brass roofs"),
        ("fire woman", "fire women"),
        ("german talisman", "german talismans"),
        ("cherry tomato", "cherry tomatoes"),
        ("grand piano", "grand pianos"),
        ("field mouse", "field mice"),
        ("great grey goose", "great grey geese"),
    ],
)
def test_knows_the_plurals_of_english(name, plural):
    forms = plural_forms([name.split(), ["single"]])
    assert forms[tuple(plural.split())] == name.replace(" ", "_")
    assert set(forms.values()) == {name.replace(" ", "_")}


LEOPARD = PhraseJoiner([("snow", "leopard"), ("boeing", "747"), ("747", "400")])


def test_sentences_have_their_phrases_joined_whatever_the_case():
    text = "A Snow Leopard sat. It FELL!"
    assert list(joined_sentences(text, LEOPARD)) == [["a", "snow_leopard", "sat"], ["it", "fell"]]
    cased = list(joined_sentences(text, LEOPARD, lower=False))
    assert cased == [["A", "snow_leopard", "sat"], ["It", "FELL"]]


def test_phrases_may_hold_numbers_and_none_reaches_across_one():
    text = "The Boeing 747 of 1999, and snow 5 leopard.\n1999."
    joined = [["the", "boeing_747", "of", "and", "snow", "leopard"]]
    assert list(joined_sentences(text, LEOPARD)) == joined
    with_numbers = list(joined_sentences(text, LEOPARD, numbers=True))
    assert with_numbers[0][:4] == ["the", "boeing_747", "of", "1999"]
    assert with_numbers[1] == ["1999"]


def test_short_sentences_are_left_out_by_their_tokens():
    text = "A snow leopard. A dog ran. No."
    assert list(joined_sentences(text, LEOPARD, min_words=3)) == [["a", "dog", "ran"]]
    assert len(list(joined_sentences(text, LEOPARD, min_words=2))) == 2


@given(st.text("abcXYZ019 .,'-_\n!?", max_size=80), st.booleans(), st.booleans())
def test_without_phrases_the_sentences_are_those_of_the_tokens(text, lower, numbers):
    joined = list(joined_sentences(text, PhraseJoiner([]), lower, numbers))
    assert joined == list(sentences(text, lower, numbers))
