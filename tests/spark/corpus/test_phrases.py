import random
from functools import cache
from itertools import pairwise

import pytest
from gensim.models.phrases import Phrases

from devise_lib.spark.corpus.phrases import PhraseRules, find_phrases
from devise_lib.spark.tables.schemas import PHRASES
from devise_lib.text.phrases import PhraseJoiner

pytestmark = pytest.mark.spark


def make_corpus() -> list[list[str]]:
    """Random words of very unequal frequency, with some that stick together."""
    rng = random.Random(1)
    words = [f"w{i}" for i in range(60)]
    chunks = [["new", "york"], ["new", "york", "city"], ["snow", "leopard"], ["of"], ["new"]]
    lines = []
    for _ in range(400):
        parts = [
            rng.choice(chunks)
            if rng.random() < 0.3
            else [words[min(rng.randrange(60), rng.randrange(60))]]
            for _ in range(rng.randrange(1, 12))
        ]
        lines.append([word for part in parts for word in part])
    return lines


CORPUS = make_corpus()


def as_lines(spark, corpus):
    """Ten sentences a text."""
    texts = [corpus[i : i + 10] for i in range(0, len(corpus), 10)]
    rows = [(str(i), "\n".join(" ".join(line) for line in text)) for i, text in enumerate(texts)]
    return spark.createDataFrame(rows, "page_id string, lines string")


def found(spark, corpus, rules, labels=()):
    """The phrases of each pass with counts and scores, and the joined sentences."""
    joiner = spark.sparkContext.broadcast(PhraseJoiner(labels))
    phrases, lines = find_phrases(as_lines(spark, corpus), rules, joiner)
    assert phrases.schema.simpleString() == PHRASES.simpleString()
    by_pass = {}
    for row in phrases.collect():
        assert "_".join(row["words"]) == row["phrase"]
        assert not any("_" in word for word in row["words"])
        by_pass.setdefault(row["pass"], {})[row["phrase"]] = (row["count"], row["score"])
    texts = sorted(lines.collect(), key=lambda row: int(row["page_id"]))
    return by_pass, [line.split(" ") for row in texts for line in row["lines"].split("\n")]


@pytest.fixture(scope="module")
def found_in_corpus(spark):
    """What `found` gives of the corpus, with the same rules once only: passes take seconds."""

    @cache
    def by_rules(rules):
        return found(spark, CORPUS, rules)

    return by_rules


DEFAULT = ("default", 3, 1.0)  # scoring, least count, threshold


def gensim_pass(corpus, min_count, threshold, scoring):
    """gensim's phrases with counts and scores, and the corpus as it joins it."""
    model = Phrases(corpus, min_count=min_count, threshold=threshold, scoring=scoring)
    pairs = {pair for line in corpus for pair in pairwise(line)}
    scored = (model.score_candidate(a, b, []) for a, b in pairs)
    phrases = {p: (model.vocab[p], pytest.approx(score)) for p, score in scored if p}
    return phrases, list(model[corpus])


@pytest.mark.parametrize(("scoring", "min_count", "threshold"), [DEFAULT, ("npmi", 4, 0.3)])
def test_two_passes_find_and_join_what_gensim_does(found_in_corpus, scoring, min_count, threshold):
    by_pass, joined = found_in_corpus(PhraseRules(2, min_count, threshold, scoring, 10_000))
    first, once = gensim_pass(CORPUS, min_count, threshold, scoring)
    second, twice = gensim_pass(once, min_count, threshold, scoring)
    assert {"new_york", "snow_leopard"} <= first.keys()
    assert "new_york_city" in second
    assert by_pass == {1: first, 2: second}
    assert joined == twice


def test_one_pass_joins_the_first_of_two_overlapping_phrases(spark):
    corpus = [["a", "b"], ["b", "c"]] * 20 + [["a", "b", "c", "x"]] + [["x"]] * 30
    by_pass, joined = found(spark, corpus, PhraseRules(1, 2, 0.05, "default", 100))
    assert by_pass[1].keys() == {"a_b", "b_c"}
    assert joined[40] == ["a_b", "c", "x"]


def test_terms_of_labels_are_never_taken_into_a_longer_phrase(spark):
    corpus = [["rare", "snow_leopard", "skin"], ["new", "york"]] * 20
    rules = PhraseRules(2, 2, 0.01, "default", 100)
    alone, _ = found(spark, corpus, rules)
    assert {"rare_snow_leopard", "snow_leopard_skin"} & alone[1].keys()
    by_pass, joined = found(spark, corpus, rules, [("snow", "leopard")])
    assert by_pass[1].keys() == {"new_york"}
    assert joined[0] == corpus[0]


def test_of_too_many_phrases_the_commonest_are_taken(found_in_corpus):
    scoring, *floors = DEFAULT
    many, _ = found_in_corpus(PhraseRules(2, *floors, scoring, 10_000))
    few, _ = found_in_corpus(PhraseRules(1, *floors, scoring, 2))
    assert len(many[1]) > 2
    assert few[1].keys() == set(sorted(many[1], key=lambda p: many[1][p][0])[-2:])


def test_no_pass_and_no_phrase_leave_the_corpus_as_it_is(spark):
    assert found(spark, CORPUS, PhraseRules(0, 3, 5.0, "default", 100)) == ({}, CORPUS)
    assert found(spark, CORPUS[:20], PhraseRules(2, 500, 5.0, "default", 100)) == ({}, CORPUS[:20])
