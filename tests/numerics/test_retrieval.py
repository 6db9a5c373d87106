import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devise_lib.numerics.retrieval import (
    drop_self_matches,
    merge_top_k,
    rank_of_truth,
    recall_by_score,
    top_k,
)
from tests.numerics.measures import flat_hit_at_k, recall_at_k

whole = st.integers(-2, 2).map(float)  # few values: exact products, many ties


@st.composite
def searches(draw):
    """queries (q, d), vectors (n, d), distinct ids (n,), k, and the ends of blocks."""
    q, n, d = draw(st.integers(0, 4)), draw(st.integers(0, 12)), draw(st.integers(1, 3))
    queries = draw(arrays(np.float64, (q, d), elements=whole))
    vectors = draw(arrays(np.float64, (n, d), elements=whole))
    ids = np.array(draw(st.permutations(range(100, 100 + n))), dtype=np.int64)
    cuts = sorted(draw(st.lists(st.integers(0, n), max_size=3)))
    return queries, vectors, ids, draw(st.integers(1, 6)), cuts


def best_by_sorting(queries, vectors, ids, k):
    """Every score of every query, sorted."""
    return [
        sorted((-float(query @ vector), i) for vector, i in zip(vectors, ids, strict=True))[:k]
        for query in queries
    ]


@given(searches())
def test_top_k_is_the_head_of_all_scores_sorted_however_the_blocks_are_cut(search):
    queries, vectors, ids, k, cuts = search
    blocks = zip(np.split(ids, cuts), np.split(vectors, cuts), strict=True)
    found, scores = top_k(queries, blocks, k)
    assert found.shape == scores.shape == (len(queries), min(k, len(vectors)))
    got = [
        [(-float(s), i) for s, i in zip(*row, strict=True)]
        for row in zip(scores, found.tolist(), strict=True)
    ]
    assert got == best_by_sorting(queries, vectors, ids.tolist(), k)


@given(searches())
def test_ids_may_be_words(search):
    queries, vectors, ids, k, cuts = search
    words = np.char.mod("p%d", ids).astype(np.str_)
    blocks = zip(np.split(words, cuts), np.split(vectors, cuts), strict=True)
    numbers = top_k(queries, [(ids, vectors)], k)[0]
    found = top_k(queries, blocks, k)[0].tolist()
    assert found == [[f"p{i}" for i in row] for row in numbers.tolist()]


@given(searches())
def test_the_ids_of_a_matrix_are_its_row_numbers(search):
    queries, vectors, _, k, _ = search
    rows = np.arange(len(vectors))
    assert (
        top_k(queries, vectors, k)[0].tolist() == top_k(queries, [(rows, vectors)], k)[0].tolist()
    )


@given(searches())
def test_merged_parts_are_the_top_k_of_all(search):
    queries, vectors, ids, k, cuts = search
    parts = [
        top_k(queries, [block], k)
        for block in zip(np.split(ids, cuts), np.split(vectors, cuts), strict=True)
    ]
    assert merge_top_k(parts, k)[0].tolist() == top_k(queries, [(ids, vectors)], k)[0].tolist()


def test_one_block_at_a_time_is_asked_for():
    asked = []

    def blocks():
        for start in range(0, 40, 10):
            asked.append(start)
            yield np.arange(start, start + 10), np.full((10, 2), float(start))

    found, scores = top_k(np.ones((1, 2)), blocks(), 2)
    assert asked == [0, 10, 20, 30]
    assert (found.tolist(), scores.tolist()) == ([[30, 31]], [[60.0, 60.0]])


@pytest.mark.parametrize("width", [1, 3])
def test_vectors_of_another_dimension_are_refused(width):
    with pytest.raises(ValueError, match=r"want ids \(b,\) and vectors \(b, 2\)"):
        top_k(np.ones((1, 2)), [(np.arange(4), np.ones((4, width)))], 1)


def test_k_below_one_is_refused():
    with pytest.raises(ValueError, match="want k >= 1"):
        top_k(np.ones((1, 2)), np.ones((4, 2)), 0)


triples = st.sets(st.integers(0, 9), min_size=3, max_size=3)


@given(st.lists(st.tuples(triples, triples), min_size=1))
def test_recall_is_the_mean_share_of_what_was_to_be_found(queries):
    found, exact = ([list(row) for row in rows] for rows in zip(*queries, strict=True))
    want = np.mean([len(set(f) & set(e)) / 3 for f, e in queries])
    assert recall_at_k(np.array(found), np.array(exact)) == pytest.approx(want)


def test_missing_results_lower_recall():
    assert recall_at_k(np.array([[7, -1]]), np.array([[7, 8]])) == 0.5


@pytest.mark.parametrize("measure", [recall_at_k, recall_by_score])
@pytest.mark.parametrize("exact", [np.empty((2, 0), int), np.ones((1, 1), int)])
def test_recall_without_queries_or_of_others_is_refused(measure, exact):
    with pytest.raises(ValueError, match="want found"):
        measure(np.ones((2, 1), int), exact)


@given(searches())
def test_recall_by_score_is_recall_where_no_scores_are_equal(search):
    queries, _, _, k, _ = search
    assume(len(queries) and queries.any(axis=1).all())  # a query of zeros makes all scores equal
    rng = np.random.default_rng(k)
    vectors = rng.standard_normal((9, queries.shape[1]))
    some = rng.permutation(9)[:6]
    exact_ids, exact = top_k(queries, vectors, k)
    found_ids, found = top_k(queries, [(some, vectors[some])], k)
    by_score = recall_by_score(found, exact, tolerance=0)
    assert by_score == pytest.approx(recall_at_k(found_ids, exact_ids))


def test_recall_by_score_takes_an_equal_for_the_exact_result():
    exact = np.array([[1.0, 0.5]])
    assert recall_by_score(np.array([[1.0, 0.5, 0.5]]), exact) == 1.0
    assert recall_by_score(np.array([[0.5 - 1e-7, -np.inf]]), exact) == 0.5
    assert recall_by_score(np.array([[0.4, -np.inf]]), exact) == 0.0


def test_a_query_is_taken_out_of_its_own_results():
    ids = np.array([[7, 3, 5], [1, 8, 2], [4, 6, 9]])
    others, scores = drop_self_matches(ids, ids / 10, np.array([7, 8, 0]))
    assert others.tolist() == [[3, 5], [1, 2], [4, 6]]
    assert scores.tolist() == [[0.3, 0.5], [0.1, 0.2], [0.4, 0.6]]


@st.composite
def scored(draw):
    n, m = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    scores = draw(arrays(np.float64, (n, m), elements=whole))
    return scores, draw(arrays(np.int64, n, elements=st.integers(0, m - 1)))


@given(scored())
def test_the_rank_of_truth_is_its_last_place_among_equals(case):
    scores, truth = case
    ranks = rank_of_truth(scores, truth)
    for row, right, rank in zip(scores.tolist(), truth, ranks, strict=True):
        worst_first = sorted(row, reverse=True)
        assert rank == len(row) - worst_first[::-1].index(row[right])


def test_scores_that_are_all_equal_or_no_numbers_earn_nothing():
    assert rank_of_truth(np.zeros((2, 4)), np.array([0, 3])).tolist() == [4, 4]
    assert rank_of_truth(np.full((1, 4), np.nan), np.array([0])).tolist() == [4]
    assert rank_of_truth(np.array([[1.0, np.nan, 0.0]]), np.array([0])).tolist() == [2]


@pytest.mark.parametrize("truth", [[0, 3], [0, -1]])
def test_truth_that_names_no_column_is_refused(truth):
    with pytest.raises(ValueError, match=r"want truth in \[0, 3\)"):
        rank_of_truth(np.zeros((2, 3)), np.array(truth))


def test_truth_of_another_length_is_refused():
    with pytest.raises(ValueError, match="want scores"):
        rank_of_truth(np.zeros((2, 3)), np.array([0]))


@given(st.lists(st.integers(1, 20), min_size=1), st.integers(1, 20))
def test_hits_are_the_ranks_up_to_k(ranks, k):
    assert flat_hit_at_k(np.array(ranks), k) == pytest.approx(
        sum(rank <= k for rank in ranks) / len(ranks)
    )


@pytest.mark.parametrize(("ranks", "k"), [([], 1), ([1], 0)])
def test_hits_of_nothing_are_refused(ranks, k):
    with pytest.raises(ValueError, match="want k >= 1 and at least one rank"):
        flat_hit_at_k(np.array(ranks, dtype=np.int64), k)
