import random

import pytest

from devise_lib.config_types import LabelTable
from devise_lib.config_words import PrepareCorpus
from devise_lib.errors import InputError
from devise_lib.spark.corpus import near_duplicates, running_text, to_sentences
from devise_lib.spark.schemas import ARTICLES
from devise_lib.spark.tables import Tables
from devise_lib.text.tokens import PhraseJoiner, sentences
from jobs import prepare_corpus

pytestmark = pytest.mark.spark

THRESHOLD, NUM_PERM, SHINGLE = 0.7, 256, 3


def make_words(seed: str, count: int) -> list[str]:
    rng = random.Random(seed)
    return ["".join(rng.choices("abcdefghijklmnop", k=6)) for _ in range(count)]


def changed(words: list[str], share: float, seed: str) -> list[str]:
    """The words with a run of them, in the middle, replaced: few shingles are touched."""
    length = int(len(words) * share)
    start = len(words) // 2
    return words[:start] + make_words(seed, length) + words[start + length :]


BASE = make_words("base", 300)
TEXTS = {
    "9": BASE,
    "10": changed(BASE, 0.05, "near"),  # Jaccard about 0.9 with 9
    "11": BASE,
    "12": changed(BASE, 0.6, "far"),  # about 0.25
    "200": make_words("other", 300),
    "31": [*make_words("other", 300), "more"],
    "40": make_words("alone", 300),
}


def exact_jaccard(one, other):
    sets = [{tuple(w[i : i + SHINGLE]) for i in range(len(w) - SHINGLE + 1)} for w in (one, other)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


@pytest.fixture(scope="module")
def articles(spark):
    rows = [(page_id, " ".join(words)) for page_id, words in TEXTS.items()]
    return spark.createDataFrame(rows, "page_id string, text string").cache()


def found(articles):
    rows = near_duplicates(articles, THRESHOLD, NUM_PERM, SHINGLE).collect()
    return {row["page_id"]: (row["kept_page_id"], row["jaccard"]) for row in rows}


def test_articles_that_repeat_an_earlier_one_are_found_with_their_similarity(articles):
    rows = found(articles)
    assert {page: kept for page, (kept, _) in rows.items()} == {"10": "9", "11": "9", "200": "31"}
    for page, (kept, jaccard) in rows.items():
        assert jaccard == pytest.approx(exact_jaccard(TEXTS[page], TEXTS[kept]), abs=0.1)


def test_what_is_found_does_not_depend_on_the_partitions(articles):
    assert found(articles.repartition(6)) == found(articles)


def test_of_many_equal_articles_the_first_by_number_is_kept(spark):
    rows = [(str(i), " ".join(BASE)) for i in (100, 7, 30, 8, 1000)]
    equal = spark.createDataFrame(rows, "page_id string, text string")
    assert found(equal) == {page: ("7", 1.0) for page in ("8", "30", "100", "1000")}


def article(page_id, text, redirect=None, meanings=False):
    return page_id, "1", 0, f"title {page_id}", redirect, meanings, None, text, "dump"


def test_running_text_is_neither_redirect_nor_disambiguation_nor_short(spark):
    rows = [
        article("1", "one two three four"),
        article("2", "one two three"),
        article("3", "one two three four", redirect="other"),
        article("4", "one two three four", meanings=True),
    ]
    df = running_text(spark.createDataFrame(rows, ARTICLES), 4)
    assert [row.asDict() for row in df.collect()] == [{"page_id": "1", "text": rows[0][7]}]


TEXT = "A polar bear swims. The Polar Bear eats 3 seals.\nA new line! Then nothing"


def test_sentences_are_tokenised_numbered_and_their_phrases_joined(spark):
    joiner = PhraseJoiner([("polar", "bear")])
    df = spark.createDataFrame([("5", TEXT), ("6", "")], "page_id string, text string")
    rows = to_sentences(df, spark.sparkContext.broadcast(joiner)).collect()
    wanted = [("5", i, joiner.join(tokens)) for i, tokens in enumerate(sentences(TEXT))]
    assert sorted(tuple(row) for row in rows) == wanted
    assert wanted[0][2] == ["a", "polar_bear", "swims"]


@pytest.fixture
def config(tmp_path) -> PrepareCorpus:
    path = tmp_path / "labels.tsv"
    path.write_text("label\tterms\tsplit\taliases\nbear\tpolar bear\tseen\t\n")
    labels = LabelTable(kind="table", name="s", path=str(path))
    return PrepareCorpus(
        work_dir=str(tmp_path),
        label_sets=(labels,),
        min_words=5,
        near_duplicate_threshold=THRESHOLD,
        num_perm=NUM_PERM,
        shingle=SHINGLE,
    )


def test_the_job_leaves_out_what_repeats_and_joins_the_terms_of_labels(spark, config):
    tables = Tables.of(spark, config)
    rows = [article(page_id, " ".join(words) + ".") for page_id, words in TEXTS.items()]
    rows.append(article("50", TEXT))
    tables.overwrite("articles", spark.createDataFrame(rows, ARTICLES))
    counts = prepare_corpus.run(spark, config)
    stored = tables.read("sentences").collect()
    assert counts == {"sentences": len(stored), "near duplicates left out": 3}
    assert {row["page_id"] for row in stored} == {"9", "12", "31", "40", "50"}
    assert {row["page_id"] for row in tables.read("near_duplicates").collect()} == {
        "10",
        "11",
        "200",
    }
    assert "polar_bear" in next(r["tokens"] for r in stored if r["page_id"] == "50")

    none = config.model_copy(update={"min_words": 10_000})
    with pytest.raises(InputError, match=r"hold no sentence.*prepare_corpus\.min_words"):
        prepare_corpus.run(spark, none)
    assert sorted(tables.read("sentences").collect()) == sorted(stored)
    assert tables.read("near_duplicates").count() == 3
