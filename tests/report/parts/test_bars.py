import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.report.content import Refused
from devise_lib.report.parts.bars import (
    bucket_bars,
    job_bars,
    job_cost,
    price,
    reason_bars,
    unevenness,
)
from devise_lib.report.search_content import HashTable
from tests.report.pages import full


@given(st.lists(st.integers(1, 50), min_size=1, max_size=16))
def test_unevenness_is_what_counting_the_pairs_of_each_bucket_gives(sizes):
    """For as many buckets as there are, which the possible entropy tells."""
    photos = sum(sizes)
    candidates = sum(size * size for size in sizes) / photos
    table = HashTable(0, max(sizes) / photos, candidates, 0.0, float(np.log2(len(sizes))), [0.5])
    in_equal_buckets = max(1.0, photos / len(sizes))
    assert unevenness(table, photos) == pytest.approx(candidates / in_equal_buckets)
    assert unevenness(table, photos) >= 1 - 1e-9


def test_equal_buckets_are_even():
    assert unevenness(HashTable(0, 0.25, 20.0, 2.0, 2.0, [0.5]), 80) == pytest.approx(1.0)


def test_a_bar_per_hash_table_the_longest_is_whole():
    tables = [HashTable(0, 0.1, 10.0, 3.0, 4.0, []), HashTable(1, 0.1, 40.0, 3.0, 4.0, [])]
    bars = bucket_bars(tables, 80)
    assert [(bar.name, bar.value, bar.extra, bar.share) for bar in bars] == [
        ("hash table 0", "10 photos", "2.0 times equal buckets", 0.25),
        ("hash table 1", "40 photos", "8.0 times equal buckets", 1.0),
    ]


def test_a_reason_counts_the_files_of_all_jobs():
    rows = [
        Refused("ingest_photos", "truncated", 3, "", ""),
        Refused("ingest_photos", "empty", 4, "", ""),
        Refused("embed_photos", "truncated", 5, "", ""),
    ]
    bars = reason_bars(rows)
    assert [(bar.name, bar.note, bar.value, bar.share) for bar in bars] == [
        ("truncated", "by ingest_photos, embed_photos", "8", 1.0),
        ("empty", "by ingest_photos", "4", 0.5),
    ]
    assert reason_bars([]) == []


def test_a_job_costs_its_time_on_all_cores_and_nothing_is_said_without_a_price():
    assert job_cost(1_800.0, 4, 0.05) == pytest.approx(0.1)
    assert job_bars(full().jobs, 4, 0.6)[0].extra == "costs 0.0500"
    assert job_bars(full().jobs, 4, 0.0)[0].extra == ""
    assert [price(x) for x in (0.00012, 0.5, 1_234.5)] == ["0.0001", "0.5000", "1,234.50"]
