import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.text.tokens import PhraseJoiner, sentences, words

some_words = st.sampled_from(["snow", "leopard", "cat", "sea", "a"])
token_lists = st.lists(some_words, max_size=12)
phrase_lists = st.lists(st.lists(some_words, max_size=4), max_size=8)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


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


def test_joining_leaves_the_sentence_that_it_was_given_as_it_is():
    tokens = ["the", "snow", "leopard"]
    joined = PhraseJoiner([("snow", "leopard")]).join(tokens)
    assert (joined, tokens) == (["the", "snow_leopard"], ["the", "snow", "leopard"])
    assert PhraseJoiner([]).join(tokens) is not tokens


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("The cat sat. It purred!", [["the", "cat", "sat"], ["it", "purred"]]),
        ("Early life\nBorn in Rome", [["early", "life"], ["born", "in", "rome"]]),
        ("Is it? (Yes.) No", [["is", "it"], ["yes"], ["no"]]),
        ("The U.S. army", [["the", "u", "s", "army"]]),
        ("Version 3.5 of it", [["version", "of", "it"]]),
        ("Don't take the dog's bone", [["don't", "take", "the", "dog", "bone"]]),
        ("O\u2019Brien\u2019s DOG", [["o'brien", "dog"]]),
        ("'quoted' words", [["quoted", "words"]]),
        (
            "\u201cIs it?\u201d she said \u2014 \u2018no\u2019",
            [["is", "it"], ["she", "said", "no"]],
        ),
        ("Ünïcode Straße Київ", [["ünïcode", "straße", "київ"]]),
        ("हिन्दी भाषा", [["हिन्दी", "भाषा"]]),
        ("e\u0301t\u00e9", [["été"]]),
        ("日本語。言葉", [["日本語"], ["言葉"]]),
        ("in 1999, 42 and mp3", [["in", "and", "mp3"]]),
        ("well-known snake_case", [["well", "known", "snake", "case"]]),
        ("... \n 12 \n", []),
        ("", []),
    ],
)
def test_cuts_text_into_sentences_of_words(text, want):
    assert list(sentences(text)) == want


def test_keeps_case_and_numbers_where_asked():
    assert list(sentences("In 1999 He", lower=False)) == [["In", "He"]]
    assert list(sentences("In 1999 He", numbers=True)) == [["in", "1999", "he"]]


@given(any_text)
def test_sentences_hold_the_words_of_the_text_in_their_order(text):
    assert [word for sentence in sentences(text) for word in sentence] == words(text)


@given(any_text, st.booleans())
def test_words_hold_nothing_that_separates_words(text, numbers):
    for word in words(text, numbers=numbers):
        assert word == "".join(word.split())
        assert "_" not in word
        assert any(c.isalnum() or ord(c) > 127 for c in word)
        assert numbers or not word.isnumeric()


@given(st.text("abcXYZ019 .,'-_\n!?", max_size=80))
def test_the_fast_way_for_ascii_gives_the_words_of_the_pattern(text):
    marked = words(text + " \u00e9", numbers=True)  # one letter that is not ASCII: the slow way
    assert words(text, numbers=True) == marked[:-1]
