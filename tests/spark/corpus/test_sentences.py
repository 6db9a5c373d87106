from itertools import chain

import pytest

from devise_lib.spark.corpus.sentences import (
    BATCH_CHARS,
    Signing,
    Splitting,
    label_joiner,
    tag_sentences,
    to_sentences,
    tokenise,
)
from devise_lib.spark.tables.conformity import conform
from devise_lib.spark.tables.schemas import SENTENCES
from devise_lib.text.labels.label_files import Label
from devise_lib.text.near_duplicates import band_and_rows, band_hashes, signature
from devise_lib.text.phrases import PhraseJoiner, joined_sentences

pytestmark = pytest.mark.spark

SIGNING = Signing(0.8, 64, 3)
TEXTS = {
    "5": "A polar bear swims. The Polar Bear eats 3 seals.\nA new line! Then nothing",
    "6": "",
    "7": "1999. 2000",
    "8": "Straße und Київ. 日本語。言葉",
    "9": "one two three",
}
BEAR = PhraseJoiner([("polar", "bear")])


def tokenised(spark, splitting, texts=TEXTS):
    rows = spark.createDataFrame(list(texts.items()), "page_id string, text string")
    return tokenise(rows, spark.sparkContext.broadcast(BEAR), splitting, SIGNING)


@pytest.mark.parametrize("numbers", [False, True])
def test_sentences_are_tokenised_numbered_and_their_phrases_joined(spark, numbers):
    lines = tokenised(spark, Splitting(numbers=numbers))
    sentences = conform(to_sentences(lines.where("lines IS NOT NULL")), SENTENCES, "sentences")
    wanted = [
        (page, position, tokens)
        for page, text in TEXTS.items()
        for position, tokens in enumerate(joined_sentences(text, BEAR, numbers=numbers))
    ]
    assert sorted(tuple(row) for row in sentences.collect()) == sorted(wanted)
    assert wanted[0] == ("5", 0, ["a", "polar_bear", "swims"])
    assert ("7" in {page for page, _, _ in wanted}) == numbers


def test_texts_are_signed_as_their_tokens_are(spark):
    bands, rows = band_and_rows(SIGNING.threshold, SIGNING.num_perm)
    for row in tokenised(spark, Splitting(min_words=3)).collect():
        tokens = list(chain.from_iterable(joined_sentences(TEXTS[row["page_id"]], BEAR)))
        assert row["words"] == len(tokens)
        if len(tokens) < 3:
            assert (row["lines"], row["signature"], row["bands"]) == (None, None, None)
        else:
            signed = signature(tokens, 64, 3)
            assert row["signature"] == signed.view("int64").tolist()
            assert row["bands"] == band_hashes(signed, bands, rows)


def test_short_sentences_and_short_texts_are_left_out(spark):
    rows = tokenised(spark, Splitting(min_sentence_words=4, min_words=4)).collect()
    lines = {row["page_id"]: row["lines"] for row in rows}
    assert lines == {"5": "the polar_bear eats seals", **dict.fromkeys("6789")}


def test_texts_of_several_batches_come_through_once(spark):
    text = "word " * (BATCH_CHARS // 10)  # half a batch
    rows = tokenised(spark, Splitting(), {str(i): text for i in range(5)}).select("words")
    assert [row["words"] for row in rows.collect()] == [BATCH_CHARS // 10] * 5


def test_plurals_of_labels_are_joined_to_the_same_token_where_asked(spark):
    labels = [Label("b", ("polar bear", "ice"), True, "s"), Label("o", ("fox",), True, "s")]
    tokens = ["polar", "bears", "polar", "bear", "foxes"]
    with_plurals = label_joiner(spark, labels, True).value.join(tokens)
    assert with_plurals == ["polar_bear", "polar_bear", "foxes"]
    without = label_joiner(spark, labels, False).value.join(tokens)
    assert without == ["polar", "bears", "polar_bear", "foxes"]


def tagged(spark, photos, **options):
    rows = [(page, owner, tags) for page, (owner, tags) in photos.items()]
    df = spark.createDataFrame(rows, "page_id string, owner string, tags array<string>")
    found = tag_sentences(df, **{"lower": True, "numbers": False, "min_tags": 2, **options})
    rows = conform(found, SENTENCES, "sentences").collect()
    assert all(row["position"] == 0 for row in rows)
    return {row["page_id"]: row["tokens"] for row in rows}


PHOTOS = {
    "1": (None, ["Sea", "New York", "sea", None, "2015", "!!"]),
    "2": (None, ["sea", "new_york"]),
    "3": (None, ["sea", "SEA"]),
    "4": (None, None),
    "5": (None, []),
}


def test_tags_are_a_sentence_in_their_order_and_each_once(spark):
    assert tagged(spark, PHOTOS) == {"1": ["sea", "new_york"], "2": ["sea", "new_york"]}
    assert tagged(spark, PHOTOS, numbers=True)["1"] == ["sea", "new_york", "2015"]
    cased = tagged(spark, PHOTOS, lower=False)
    assert (cased["1"], cased["3"]) == (["Sea", "New_York", "sea"], ["sea", "SEA"])
    assert tagged(spark, PHOTOS, min_tags=3) == {}


def test_the_same_tags_of_one_owner_count_once_in_whatever_order(spark):
    photos = {
        "10": ("ann", ["sea", "sun"]),
        "2": ("ann", ["Sea", "sun"]),
        "3": ("ann", ["sun", "sea"]),
        "4": ("bob", ["sea", "sun"]),
        "5": (None, ["sea", "sun"]),
        "6": (None, ["sea", "sun"]),
    }
    found = tagged(spark, photos)
    assert found.keys() == {"2", "4", "5", "6"}  # of ann's the first, 2 before 10
    assert found["2"] == ["sea", "sun"]
