import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.index.reader import SearchIndex
from devise_lib.index.settings import SearchSettings
from devise_lib.numerics.vectors import l2_normalize
from tests.index.built import D, best_rows, build_bundle, photos

QUERIES = photos(10, 1_000)
REMOVED = (3, 50, 199, 200, 239)
KEYS = ("IVF8,Flat", "PCA16,IVF8_HNSW8,PQ4x4fsr,RFlat")
WORDS = {"snow": np.eye(D)[0], "leopard": np.eye(D)[1], "\u72d7": np.eye(D)[2]}


@pytest.fixture(scope="module", params=KEYS)
def one(request, tmp_path_factory):
    """A bundle of one segment, whose vectors are whole."""
    return build_bundle(tmp_path_factory.mktemp("one") / "bundle", request.param, (240,))


@pytest.fixture(scope="module", params=KEYS)
def many(request, tmp_path_factory):
    """A bundle of three segments, of which some rows are removed; it carries words."""
    folder = tmp_path_factory.mktemp("many") / "bundle"
    return build_bundle(folder, request.param, (200, 5, 35), REMOVED, WORDS)


def left_in(built) -> list[int]:
    return sorted(set(range(len(built.ids))) - set(REMOVED))


def test_a_search_of_all_lists_finds_the_nearest_of_all(one):
    found = SearchIndex.open(one.folder).search(QUERIES, 9)
    wanted = best_rows(one.vectors, QUERIES, 9)
    assert found.rows.tolist() == wanted.tolist()
    cosines = np.take_along_axis(QUERIES @ one.vectors.T, wanted, axis=1)
    np.testing.assert_allclose(found.scores, cosines, atol=1e-5)


def test_removed_rows_are_never_found_in_any_segment(many):
    found = SearchIndex.open(many.folder).search(QUERIES, 20)
    assert found.rows.tolist() == best_rows(many.vectors, QUERIES, 20, left_in(many)).tolist()


def test_all_that_is_left_can_be_asked_for(many):
    index, n = SearchIndex.open(many.folder), many.manifest.n
    rows = index.search(QUERIES[:2], n).rows
    assert [sorted(found) for found in rows.tolist()] == [left_in(many)] * 2


def test_segments_together_find_what_one_index_of_all_finds(tmp_path):
    parts = build_bundle(tmp_path / "parts", KEYS[1], (150, 30, 60))
    whole = build_bundle(tmp_path / "whole", KEYS[1], (240,))
    settings = SearchSettings(3, 64, 64)
    found, wanted = (
        SearchIndex.open(each.folder).search(QUERIES, 6, settings) for each in (parts, whole)
    )
    assert found.rows.tolist() == wanted.rows.tolist()
    assert found.scores.tolist() == wanted.scores.tolist()


@given(data=st.data())
def test_among_some_rows_no_other_is_found_and_none_is_missed(many, data):
    among = np.array(data.draw(st.lists(st.integers(0, 239), max_size=30)), np.int64)
    nprobe = data.draw(st.sampled_from((None, 1, 8)))
    k = data.draw(st.integers(1, 12))
    settings = nprobe and SearchSettings(nprobe, 64, 64)
    rows = SearchIndex.open(many.folder).search(QUERIES, k, settings, among).rows
    allowed = set(among.tolist()) - set(REMOVED)
    for found in rows.tolist():
        here = [row for row in found if row >= 0]
        assert set(here) <= allowed
        assert len(set(here)) == len(here) == min(k, len(allowed))
    if nprobe != 1:
        wanted = best_rows(many.vectors, QUERIES, k, allowed)
        assert rows[:, : wanted.shape[1]].tolist() == wanted.tolist()


def test_fewer_rows_search_more_lists(tmp_path):
    built = build_bundle(tmp_path / "b", sizes=(240,), settings=SearchSettings(2))
    index = SearchIndex.open(built.folder)
    among = np.arange(0, 240, 4)  # a quarter, for four times as many lists: all
    rows = index.search(QUERIES, 3, among=among).rows
    assert rows.tolist() == best_rows(built.vectors, QUERIES, 3, among).tolist()


def test_where_the_lists_hold_too_few_all_are_searched(tmp_path):
    built = build_bundle(tmp_path / "b", sizes=(240,), settings=SearchSettings(1))
    rows = SearchIndex.open(built.folder).search(QUERIES, 240).rows
    assert (np.sort(rows, axis=1) == np.arange(240)).all()


def test_all_lists_are_searched_whatever_the_settings(one):
    manifest = replace(one.manifest, settings=SearchSettings(1, *_rest(one)))
    found = SearchIndex(one.folder, manifest).search_all(QUERIES, 5)
    assert found.rows.tolist() == best_rows(one.vectors, QUERIES, 5).tolist()


def _rest(built) -> tuple[int, int]:
    return built.manifest.settings.ef_search, built.manifest.settings.k_factor


def test_a_photo_finds_its_neighbours_and_not_itself(many):
    index = SearchIndex.open(many.folder)
    for row in (0, 77, 203, 230):
        found = index.search_photo(many.ids[row], 4)
        wanted = best_rows(many.vectors, many.vectors[row][None], 4, set(left_in(many)) - {row})
        assert found.rows.tolist() == wanted.tolist()
        assert found.scores.shape == (1, 4)
        np.testing.assert_allclose(
            found.scores[0], many.vectors[wanted[0]] @ many.vectors[row], atol=1e-5
        )


def test_a_photo_has_as_many_neighbours_as_there_are_others(tmp_path):
    built = build_bundle(tmp_path / "b", "IVF1,SQ8", (6,))
    index = SearchIndex.open(built.folder)
    for name in built.ids:
        others = set(index.photo_ids(index.search_photo(name, 5).rows)[0])
        assert others == set(built.ids) - {name}
    with pytest.raises(InputError, match="want k from 1 to 5, the other photos; got 6"):
        index.search_photo(built.ids[0], 6)


def test_a_photo_whose_codes_are_coarse_is_not_its_own_neighbour(tmp_path):
    built = build_bundle(tmp_path / "b", "IVF8,PQ2x4", (150,), settings=SearchSettings(1))
    index = SearchIndex.open(built.folder)
    for row, name in enumerate(built.ids):
        found = index.search_photo(name, 3).rows[0]
        assert row not in found
        assert len(set(found.tolist())) == 3


@pytest.mark.parametrize("name", ["nobody", "", "p", "p1\x00"])
def test_a_photo_that_is_not_there_is_refused(one, name):
    index = SearchIndex.open(one.folder)
    assert index.row_of(name) is None
    with pytest.raises(InputError, match="is not in the index"):
        index.search_photo(name, 3)


def test_a_photo_that_was_removed_is_not_there(many):
    index = SearchIndex.open(many.folder)
    for row in REMOVED:
        assert index.row_of(many.ids[row]) is None


@given(data=st.data())
def test_rows_and_ids_lead_to_one_another(many, data):
    index = SearchIndex.open(many.folder)
    row = data.draw(st.sampled_from(left_in(many)))
    assert index.row_of(many.ids[row]) == row
    rows = np.array(data.draw(st.lists(st.integers(-1, 239), min_size=1, max_size=8)))
    wanted = [many.ids[r] if r >= 0 else "" for r in rows]
    assert index.photo_ids(rows).tolist() == wanted
    assert index.photo_ids(rows[None]).shape == (1, len(rows))


def test_a_photo_that_came_again_is_found_where_it_came_last(tmp_path):
    """An id of the base whose row is removed, and which the delta has again."""
    built = build_bundle(tmp_path / "b", sizes=(100, 1))
    again = built.ids[7]
    np.save(built.folder / "delta-000001" / "ids.npy", np.array([again.encode()]))
    np.save(built.folder / "removed.npy", np.array([7]))
    manifest = replace(built.manifest, removed=1, n=100)
    assert SearchIndex(built.folder, manifest).row_of(again) == 100


def test_a_photo_is_found_in_each_section_of_a_segment(tmp_path):
    """Compaction leaves runs of rows, each of which is in order."""
    built = build_bundle(tmp_path / "b", sizes=(100, 40))
    ids = [np.load(built.folder / part / "ids.npy") for part in ("base", "delta-000001")]
    np.save(built.folder / "base" / "ids.npy", np.concatenate(ids))
    whole = replace(built.manifest.segments[0], rows=140, listed=140, sections=(0, 100))
    index = SearchIndex(built.folder, replace(built.manifest, segments=(whole,)))
    assert [index.row_of(name) for name in built.ids] == list(range(140))


def test_vectors_are_those_of_the_rows(many):
    index = SearchIndex.open(many.folder)
    for row in (0, 199, 200, 204, 205, 239):
        np.testing.assert_allclose(index.vector_of(row), many.vectors[row], atol=1e-5)
    for row in (-1, 240):
        with pytest.raises(InputError, match=f"has no row {row}: it has 240"):
            index.vector_of(row)


def test_words_find_what_their_mean_finds(many):
    index = SearchIndex.open(many.folder)
    mean = l2_normalize((np.eye(D)[0] + np.eye(D)[2])[None].astype(np.float32))
    np.testing.assert_allclose(index.words.mean(["snow", "\u72d7"]), mean[0], atol=1e-6)
    found = index.search_words(["snow", "\u72d7"], 4)
    assert found.rows.tolist() == best_rows(many.vectors, mean, 4, left_in(many)).tolist()
    once, twice = (index.words.mean(words) for words in (["snow"], ["snow", "snow"]))
    assert once.tolist() == twice.tolist()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["snow", "xyzzy", "lepard"], "no vector of xyzzy, lepard; .* did you mean leopard?"),
        ([], "no vector of no word at all;"),
    ],
)
def test_words_that_are_not_carried_are_named(many, words, message):
    with pytest.raises(InputError, match=message):
        SearchIndex.open(many.folder).search_words(words, 3)


def test_of_a_word_that_is_there_twice_the_first_counts(tmp_path):
    built = build_bundle(tmp_path / "b", sizes=(20,), words=WORDS)
    (built.folder / "words.txt").write_text("snow\nsnow\nleopard\n", encoding="utf-8")
    vector = SearchIndex.open(built.folder).words.mean(["snow"])
    assert vector.tolist() == np.eye(D)[0].tolist()


def test_a_bundle_without_words_says_how_to_have_them(one):
    with pytest.raises(InputError, match="carries no words: build it with carry_words above 0"):
        SearchIndex.open(one.folder).search_words(["snow"], 3)


@pytest.mark.parametrize(
    ("queries", "k", "among", "message"),
    [
        (np.ones((2, D + 1), np.float32), 3, None, r"want queries \(q, 16\), got \(2, 17\)"),
        (QUERIES[0], 3, None, r"want queries \(q, 16\), got \(16,\)"),
        (QUERIES * 1.01, 3, None, "want queries of unit L2 norm, but query 0 has 1.01"),
        (np.zeros((1, D), np.float32), 3, None, "query 0 has 0: divide each by its norm"),
        (np.full((1, D), np.nan, np.float32), 3, None, "query 0 has nan"),
        (QUERIES, 0, None, "want k from 1 to 235, the photos; got 0"),
        (QUERIES, 236, None, "want k from 1 to 235, the photos; got 236"),
        (QUERIES, 3, np.array([0, 240]), r"want rows in \[0, 240\) to search among; got 0 to 240"),
        (QUERIES, 3, np.array([-1, 5]), "got -1 to 5"),
    ],
)
def test_what_cannot_be_searched_is_refused(many, queries, k, among, message):
    with pytest.raises(InputError, match=message):
        SearchIndex.open(many.folder).search(queries, k, among=among)


def test_queries_and_rows_may_be_lists(many):
    index = SearchIndex.open(many.folder)
    found = index.search(QUERIES.tolist(), 3, among=[1, 2, 5, 9])
    assert (
        found.rows.tolist() == index.search(QUERIES, 3, among=np.array([1, 2, 5, 9])).rows.tolist()
    )


def test_no_queries_have_no_results(many):
    assert SearchIndex.open(many.folder).search(QUERIES[:0], 3).rows.shape == (0, 3)


def test_threads_that_search_at_once_find_the_same(many):
    index = SearchIndex.open(many.folder)
    wanted = index.search(QUERIES, 6), index.search(QUERIES, 6, among=np.arange(0, 240, 3))
    found = []

    def search() -> None:
        for _ in range(10):
            both = index.search(QUERIES, 6), index.search(QUERIES, 6, among=np.arange(0, 240, 3))
            found.append([each.rows.tolist() for each in both])

    threads = [threading.Thread(target=search) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[each.rows.tolist() for each in wanted]] * 80
