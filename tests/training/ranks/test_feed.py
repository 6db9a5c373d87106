import shutil
import tempfile
import threading
from collections import Counter
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from devise_lib.training.ranks import feed as feed_module
from devise_lib.training.ranks.feed import Cache, Feed, make_cache

# Petastorm calls deprecated parts of pyarrow; the module itself ignores that, pytest shows it.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:petastorm.arrow_reader_worker")

COLUMNS = ("number", "feature", "name", "pixels")


def write_file(path, first: int, groups: list[int]) -> str:
    """A file of rows numbered from `first`, with row groups of those lengths."""
    numbers = np.arange(first, first + sum(groups))
    table = pa.table(
        {
            "number": numbers,
            "feature": pa.array([[float(n), n / 2, -1.0] for n in numbers], pa.list_(pa.float32())),
            "name": [f"name {n}" for n in numbers],
            "pixels": [b"%d" % n for n in numbers],
            "unused": numbers,
        }
    )
    with pq.ParquetWriter(path, table.schema, compression="none") as writer:
        start = 0
        for rows in groups:
            writer.write_table(table.slice(start, rows), row_group_size=rows)
            start += rows
    return path.as_uri()


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[str]:
    """60 rows in row groups of 10, 4, 6, 17, 1 and 22: two in a file."""
    folder = tmp_path_factory.mktemp("files")
    return [
        write_file(folder / "a.parquet", 0, [10, 4]),
        write_file(folder / "b.parquet", 14, [6, 17]),
        write_file(folder / "c.parquet", 37, [1, 22]),
    ]


def make_feed(files, rank=0, size=1, batch_rows=7, shuffle_rows=20, seed=3, readers=0, cache=None):
    """Of `batch_rows` a rank; a reader a rank, where nothing else is said."""
    shared = (readers or size, batch_rows * size, shuffle_rows * size, seed, cache)
    return Feed(files, COLUMNS, rank, size, *shared)


def take(feed: Feed, count: int, epoch: int = 0):
    batches = feed.epoch(epoch)
    try:
        return list(islice(batches, count))
    finally:
        batches.close()


def numbers_of(batches) -> list[int]:
    return np.concatenate([batch["number"] for batch in batches]).tolist()


def test_batches_have_the_columns_asked_for_the_exact_size_and_whole_rows(files):
    for batch in take(make_feed(files), 20):
        assert tuple(batch) == COLUMNS
        assert {len(values) for values in batch.values()} == {7}
        assert batch["feature"].shape == (7, 3)
        assert batch["feature"].dtype == np.float32
        for i, n in enumerate(batch["number"].tolist()):
            assert batch["feature"][i].tolist() == [n, n / 2, -1]
            assert (batch["name"][i], batch["pixels"][i]) == (f"name {n}", b"%d" % n)


def test_every_row_comes_about_equally_often(files):
    epochs = 14
    counts = Counter(numbers_of(take(make_feed(files), epochs * 60 // 7)))
    assert sorted(counts) == list(range(60))
    # What is held back to be mixed may lack a row that others had, or have had one twice.
    assert min(counts.values()) >= epochs - 2
    assert max(counts.values()) <= epochs + 2


def test_two_ranks_share_all_row_groups(files):
    of_rank = [set(numbers_of(take(make_feed(files, rank, 2), 60))) for rank in (0, 1)]
    assert of_rank[0] | of_rank[1] == set(range(60))
    assert not of_rank[0] & of_rank[1]
    assert all(of_rank)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_ranks_together_have_the_same_batches_however_many_they_are(files, size):
    """Six readers in all: each row group has one of its own."""
    shared = {"readers": 6, "batch_rows": 12 // size, "shuffle_rows": 60 // size}
    of_rank = [take(make_feed(files, rank, size, **shared), 9) for rank in range(size)]
    together = [sorted(numbers_of(parts)) for parts in zip(*of_rank, strict=True)]
    alone = take(make_feed(files, 0, 1, readers=6, batch_rows=12, shuffle_rows=60), 9)
    assert together == [sorted(numbers_of([batch])) for batch in alone]


@pytest.mark.parametrize(("size", "readers", "rows"), [(2, 3, 6), (2, 2, 5), (1, 2, 3)])
def test_readers_and_rows_that_cannot_be_shared_are_refused(size, readers, rows):
    with pytest.raises(ValueError, match=f"multiple of {size} ranks.*{readers} readers, {rows} r"):
        Feed([], COLUMNS, 0, size, readers, rows, 10, 0)


def test_a_rank_with_few_rows_gives_as_many_batches_as_one_with_many(tmp_path):
    files = [
        write_file(tmp_path / "small.parquet", 0, [2]),
        write_file(tmp_path / "large.parquet", 2, [90]),
    ]
    of_rank = [take(make_feed(files, rank, 2, batch_rows=9), 40) for rank in (0, 1)]
    assert [len(batches) for batches in of_rank] == [40, 40]
    assert all(len(batch["number"]) == 9 for batches in of_rank for batch in batches)
    assert sorted(len(set(numbers_of(batches))) for batches in of_rank) == [2, 90]


def test_the_same_seed_gives_the_same_batches_and_another_seed_others(files):
    first = numbers_of(take(make_feed(files, seed=3), 25))
    assert numbers_of(take(make_feed(files, seed=3), 25)) == first
    assert numbers_of(take(make_feed(files, seed=4), 25)) != first


def test_the_order_differs_from_epoch_to_epoch(files):
    feed = make_feed(files, batch_rows=60, shuffle_rows=60)
    epochs = [tuple(numbers_of(take(feed, 1, epoch))) for epoch in range(3)]
    assert tuple(numbers_of(take(feed, 1, 1))) == epochs[1]
    assert len(set(epochs)) == 3
    assert sorted(epochs[0]) != list(epochs[0])


def test_a_batch_is_mixed_from_several_row_groups(files):
    groups = np.repeat(np.arange(6), [10, 4, 6, 17, 1, 22])
    batches = take(make_feed(files, batch_rows=20, shuffle_rows=60), 6)
    mixed = [len(set(groups[batch["number"]])) for batch in batches]
    assert min(mixed) >= 3


def test_nothing_is_held_back_longer_than_asked(files):
    batches = take(make_feed(files, batch_rows=1, shuffle_rows=1), 60)
    assert sorted(numbers_of(batches)) == list(range(60))


def test_a_batch_may_be_larger_than_the_table(files):
    [batch] = take(make_feed(files, batch_rows=150, shuffle_rows=0), 1)
    counts = Counter(batch["number"].tolist())
    assert len(batch["number"]) == 150
    assert set(counts.values()) <= {1, 2, 3, 4}


def test_a_feed_that_is_closed_leaves_no_thread(files):
    before = threading.active_count()
    batches = make_feed(files).epoch(0)
    next(batches)
    assert threading.active_count() > before
    batches.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("limit", [2**30, 1])
def test_a_cache_changes_no_batch_whether_it_has_room_or_not(files, tmp_path, limit):
    cache = Cache(str(tmp_path), limit)
    for epoch in (0, 0, 1):
        expected = numbers_of(take(make_feed(files), 15, epoch))
        assert numbers_of(take(make_feed(files, cache=cache), 15, epoch)) == expected


@pytest.mark.parametrize(("limit", "kept"), [(2**30, True), (1, False)])
def test_what_a_cache_has_room_for_is_read_once(tmp_path, limit, kept):
    path = tmp_path / "a.parquet"
    url = write_file(path, 1, [5, 5])
    feed = make_feed([url], cache=Cache(str(tmp_path / "cache"), limit))
    assert min(numbers_of(take(feed, 4))) > 0
    write_file(path, -99, [5, 5])  # the same row groups with other numbers
    assert (min(numbers_of(take(feed, 4))) > 0) is kept


@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_files_are_found_below_a_folder_of_any_name(files, tmp_path, limit):
    """A path is no URL: what its signs mean there never decides which file is read."""
    folder = tmp_path / "q?x#y%41;z [1] é" / "fold=1"
    shutil.copytree(Path(files[0].removeprefix("file://")).parent, folder)
    hostile = [f"file:{folder / Path(file).name}" for file in files]
    cache = Cache(str(tmp_path / "cache"), limit) if limit else None
    wanted = [numbers_of(take(make_feed(files), 20, epoch)) for epoch in (0, 1)]
    found = [numbers_of(take(make_feed(hostile, cache=cache), 20, epoch)) for epoch in (0, 1)]
    assert found == wanted


def test_a_cache_has_half_of_the_free_disk_at_the_most_and_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(feed_module, "disk_usage", lambda _: SimpleNamespace(free=1_000))
    for wanted, ranks, limit in ((100, 1, 100), (800, 1, 500), (800, 4, 125)):
        with make_cache(wanted, ranks) as cache:
            assert cache.limit_bytes == limit
            assert list(tmp_path.iterdir())
        assert not list(tmp_path.iterdir())
    with make_cache(0, 1) as cache:
        assert cache is None


@pytest.mark.parametrize("scheme", ["s3", "s3a"])
def test_files_of_a_store_give_the_batches_of_local_ones(files, scheme, bucket, s3_files):
    stored = [f"{scheme}://{bucket}/features/{Path(url).name}" for url in files]
    for url, copy in zip(files, stored, strict=True):
        s3_files.upload(Path(url.removeprefix("file://")), copy)
    here, there = (take(make_feed(urls), 12) for urls in (files, stored))
    assert numbers_of(here) == numbers_of(there)
    for one, other in zip(here, there, strict=True):
        np.testing.assert_array_equal(np.stack(one["feature"]), np.stack(other["feature"]))
