import random
import re
from functools import cache

import numpy as np
import pytest

from devise_lib.spark.corpus.near_duplicates import find_repeats, pairs_to_compare, resolve_kept
from devise_lib.spark.tables.conformity import conform
from devise_lib.spark.tables.schemas import NEAR_DUPLICATES
from devise_lib.text.near_duplicates import band_and_rows, band_hashes, signature

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


def signed(spark, texts, threshold=THRESHOLD, num_perm=NUM_PERM):
    bands, rows = band_and_rows(threshold, num_perm)

    @cache
    def sign(words):  # once for texts that are equal
        found = signature(words, num_perm, SHINGLE)
        return found.view(np.int64).tolist(), band_hashes(found, bands, rows)

    table = [(page, *sign(tuple(words))) for page, words in texts.items()]
    schema = "page_id string, signature array<long>, bands array<long>"
    return spark.createDataFrame(table, schema)


def found(signed_texts, threshold=THRESHOLD, num_perm=NUM_PERM):
    rows = find_repeats(signed_texts, threshold, num_perm).collect()
    return {row["page_id"]: (row["similar_page_id"], row["jaccard"]) for row in rows}


def test_articles_that_repeat_an_earlier_one_are_found_with_their_similarity(spark):
    rows = found(signed(spark, TEXTS))
    assert {page: kept for page, (kept, _) in rows.items()} == {"10": "9", "11": "9", "200": "31"}
    for page, (kept, jaccard) in rows.items():
        assert jaccard == pytest.approx(exact_jaccard(TEXTS[page], TEXTS[kept]), abs=0.1)


def test_what_is_found_does_not_depend_on_the_partitions(spark):
    texts = signed(spark, TEXTS)
    assert found(texts.repartition(6)) == found(texts.coalesce(1))


def test_of_many_equal_articles_the_first_by_number_is_kept(spark):
    equal = signed(spark, {str(i): BASE for i in (100, 7, 30, 8, 1000)})
    assert found(equal) == {page: ("7", 1.0) for page in ("8", "30", "100", "1000")}


def test_pairs_well_above_the_threshold_are_found_and_those_well_below_are_not(spark):
    # n of 400 shingles replaced: Jaccard (400 - n) / (400 + n).
    pairs, texts = 150, {}
    for kind, replaced in (("near", 21), ("far", 133)):
        for pair in range(pairs):
            words = make_words(f"{kind}{pair}", 402)
            share = (replaced - 2) / 402  # a run of r words touches r + 2 shingles
            texts[f"{kind}-{pair:03}-a"] = words
            texts[f"{kind}-{pair:03}-b"] = changed(words, share, f"new{kind}{pair}")
    for kind, jaccard in (("near", 0.9), ("far", 0.5)):
        sample = [exact_jaccard(texts[f"{kind}-00{i}-a"], texts[f"{kind}-00{i}-b"]) for i in "123"]
        assert sample == pytest.approx([jaccard] * 3, abs=0.01)
    rows = found(signed(spark, texts, 0.8, 64), 0.8, 64)
    assert all(page[:-1] == kept[:-1] for page, (kept, _) in rows.items())
    of = {kind: sum(page.startswith(kind) for page in rows) for kind in ("near", "far")}
    assert of["near"] >= 0.95 * pairs
    assert of["far"] <= 0.01 * pairs


def test_a_full_bucket_makes_fewer_pairs_than_members_and_no_list_of_them(spark):
    texts = signed(spark, {str(i): BASE[:40] for i in range(2_000)}).repartition(4).cache()
    pairs = [tuple(row) for row in pairs_to_compare(texts).collect()]
    assert sorted(pairs) == sorted((str(i), "0") for i in range(1, 2_000))
    repeats = find_repeats(texts, THRESHOLD, NUM_PERM)
    assert repeats.where("similar_page_id = '0' AND jaccard = 1").count() == 1_999
    plan = repeats._jdf.queryExecution().executedPlan().toString()
    assert "Join" in plan
    assert not re.search("(?i)collect_|cartesian|nestedloop|window", plan)
    texts.unpersist()


REPEATS = "page_id string, similar_page_id string, jaccard double"


def kept_of(spark, links):
    rows = [(page, similar, 0.9) for page, similar in links.items()]
    named = resolve_kept(spark.createDataFrame(rows, REPEATS))
    conform(named, NEAR_DUPLICATES, "near_duplicates")
    table = named.collect()
    named.unpersist()
    assert {row["page_id"]: row["similar_page_id"] for row in table} == links
    assert {row["reason"] for row in table} <= {"near_duplicate"}
    assert len(table) == len(links)
    return {row["page_id"]: row["kept_page_id"] for row in table}


def root(links, page):
    while page in links:
        page = links[page]
    return page


def test_a_chain_of_repeats_leads_to_the_one_that_stays(spark):
    chain = {str(i): str(i - 1) for i in range(1, 20)}
    links = {**chain, "30": "7", "41": "40", "42": "40"}
    kept = kept_of(spark, links)
    assert kept == {page: root(links, page) for page in links}
    assert kept["19"] == "0"


def test_what_is_named_is_never_left_out_itself(spark):
    rng = random.Random(0)
    links = {str(page): str(rng.randrange(page)) for page in range(1, 200) if rng.random() < 0.8}
    kept = kept_of(spark, links)
    assert kept == {page: root(links, page) for page in links}
    assert not set(kept.values()) & set(kept)


def test_no_repeats_make_no_rows(spark):
    assert kept_of(spark, {}) == {}
