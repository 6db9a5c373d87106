import numpy as np
import pytest

from devise_lib.index.faiss_index import IvfIndex
from devise_lib.index.tuning import RecallPoint, choose_point, measure_recall, probe_steps
from devise_lib.numerics.retrieval import top_k
from tests.embedded import clustered

VECTORS = clustered(800, clusters=40)
OWN = np.arange(0, 800, 20)
K = 10


@pytest.fixture(scope="module")
def index():
    index = IvfIndex.train(VECTORS, nlist=20, seed=0)
    index.add(VECTORS, np.arange(800))
    return index


def neighbours_without_self(found, own):
    return [[row for row in rows if row != me][:K] for rows, me in zip(found, own, strict=True)]


@pytest.mark.parametrize(
    ("nlist", "steps"), [(1, [1]), (2, [1, 2]), (5, [1, 2, 4, 5]), (8, [1, 2, 4, 8])]
)
def test_powers_of_two_and_all_lists_are_tried(nlist, steps):
    assert probe_steps(nlist) == steps


def test_the_curve_is_the_recall_of_others_than_the_query(index):
    exact_rows, exact_scores = top_k(VECTORS[OWN], VECTORS, K + 1)
    exact = neighbours_without_self(exact_rows.tolist(), OWN)
    for point in measure_recall(index, VECTORS[OWN], OWN, exact_scores[:, 1:]):
        rows, _ = index.search(VECTORS[OWN], K + 1, point.nprobe)
        found = neighbours_without_self(rows.tolist(), OWN)
        shares = [len(set(a) & set(b)) / K for a, b in zip(found, exact, strict=True)]
        assert point.recall == pytest.approx(np.mean(shares))


def test_the_curve_rises_to_one(index):
    exact = top_k(VECTORS[OWN], VECTORS, K + 1)[1][:, 1:]
    curve = [point.recall for point in measure_recall(index, VECTORS[OWN], OWN, exact)]
    assert len(curve) > 2
    assert curve == sorted(curve)
    assert curve[-1] == 1.0 > curve[-2]


def test_equal_vectors_do_not_lower_recall():
    vectors = np.repeat(VECTORS[:30], 10, axis=0)
    index = IvfIndex.train(vectors, nlist=4, seed=0)
    index.add(vectors, np.arange(300))
    own = np.arange(300)
    exact = top_k(vectors, vectors, 6)[1][:, 1:]
    assert measure_recall(index, vectors, own, exact) == [RecallPoint(1, 1.0)]


CURVE = [RecallPoint(1, 0.5), RecallPoint(2, 0.95), RecallPoint(4, 0.99)]


@pytest.mark.parametrize(("target", "nprobe"), [(0.1, 1), (0.95, 2), (0.951, 4), (1.0, 4)])
def test_the_first_point_that_reaches_the_target_is_chosen(target, nprobe):
    assert choose_point(CURVE, target).nprobe == nprobe


def test_a_curve_without_points_is_refused():
    with pytest.raises(ValueError, match="no point"):
        choose_point([], 0.9)
