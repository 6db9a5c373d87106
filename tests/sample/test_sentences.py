"""Sentences are filled, grammatical in what rules can tell, and speak of alike things alike."""

import random
import re
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from devise_lib.sample.sentences import (
    choose_kin,
    name_place,
    plural,
    say_about,
    say_filler,
    say_habitat,
    say_list,
    say_more,
    with_article,
)
from devise_lib.sample.things import THINGS, Thing
from devise_lib.sample.world import BY_LABEL, HABITATS, LIKENESS


@given(st.sampled_from(THINGS), st.integers(0, 2**32))
def test_a_sentence_about_a_thing_is_whole_and_names_it(thing: Thing, seed: int) -> None:
    sentence = say_about(thing, random.Random(seed))
    assert "{" not in sentence
    assert sentence.endswith(".")
    assert sentence[0].isupper()
    names = [*thing.terms, *map(plural, thing.terms)]
    assert any(name in sentence.lower() for name in names)


@given(st.sampled_from(THINGS), st.sampled_from(list(HABITATS)), st.integers(0, 2**32))
def test_an_article_fits_the_word_after_it(thing: Thing, habitat: str, seed: int) -> None:
    rng = random.Random(seed)
    text = " ".join(
        (say_about(thing, rng), say_more(thing, rng), say_habitat(habitat, rng), say_filler(rng))
    )
    assert not re.search(r"\b[Aa] [aeio]", text), text
    assert not re.search(r"\b[Aa]n [^aeiou]", text), text


def test_names_are_put_into_the_plural_by_the_rules() -> None:
    plurals = {
        "fox": "foxes",
        "wolf": "wolves",
        "ferry": "ferries",
        "church": "churches",
        "bus": "buses",
        "sheep": "sheep",
        "fire truck": "fire trucks",
        "airplane": "airplanes",
    }
    assert {name: plural(name) for name in plurals} == plurals


def test_the_article_is_an_before_a_vowel() -> None:
    assert [with_article(name) for name in ("eagle", "rose")] == ["an eagle", "a rose"]


def test_no_two_places_have_the_same_name() -> None:
    assert len({name_place(number) for number in range(30_000)}) == 30_000


def test_kin_are_named_the_oftener_the_more_alike_they_are() -> None:
    zebra, rng = BY_LABEL["zebra"], random.Random(0)
    named = Counter(choose_kin(zebra, rng).label for _ in range(3000))
    row = LIKENESS["zebra"]
    assert named["horse"] > named["lion"] > named["hammer"]
    assert "zebra" not in named
    assert named.most_common(1)[0][0] in sorted(row, key=row.__getitem__)[-3:]


def test_a_list_names_each_thing_once() -> None:
    sentence = say_list(THINGS[:3], random.Random(0))
    assert sorted(re.findall(r"the (\w+)", sentence)) == ["cow", "horse", "zebra"]
