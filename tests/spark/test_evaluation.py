import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.numerics.linear import Projection
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.spark.devise import CONTROL
from devise_lib.spark.evaluation import (
    METHODS,
    CandidateSet,
    Methods,
    candidate_sets,
    hit_metrics,
    ranks_of_truth,
)
from devise_lib.spark.schemas import FEATURES, LABELS
from devise_lib.training.bundle import ProjectionBundle

pytestmark = pytest.mark.spark

RNG = np.random.default_rng(6)
D, W = 5, 4  # of features, of words
SEEN = ["ant", "bee", "cat"]
UNSEEN = ["dog", "elk"]
VECTORS = {
    name: l2_normalize(RNG.standard_normal((1, W)).astype(np.float32))[0] for name in SEEN + UNSEEN
}
CONTROLS = {
    name: l2_normalize(RNG.standard_normal((1, W)).astype(np.float32))[0]
    for name in [*SEEN, *UNSEEN, "fox"]
}


def draw_map() -> Projection:
    matrix, offset = RNG.standard_normal((W, D)), RNG.standard_normal(W)
    return Projection(matrix.astype(np.float32), offset.astype(np.float32))


BUNDLE = ProjectionBundle(
    {"devise": draw_map(), CONTROL: draw_map()},
    CONTROLS,
    RNG.standard_normal((D, 3)).astype(np.float32),
    RNG.standard_normal(3).astype(np.float32),
    SEEN,
    "backbone",
    "words",
)
MAPS = Methods(BUNDLE, draw_map(), np.stack([VECTORS[name] for name in SEEN]), conse_t=2)
FEATURE = RNG.standard_normal((40, D)).astype(np.float32)
TRUTH = [(SEEN + UNSEEN)[i % 5] for i in range(40)]


def label_row(name, seen, label_set="s", vector=True):
    values = VECTORS[name].tolist() if vector else None
    control = CONTROLS[name].tolist() if vector else None
    coverage = "exact" if vector else "missing"
    return name, label_set, [name], name, coverage, seen, [], values, control, "words"


@pytest.fixture(scope="module")
def labels(spark):
    rows = [label_row(name, name in SEEN) for name in reversed(SEEN + UNSEEN)]
    rows += [label_row("cat", True, "only seen"), label_row("bee", True, "only seen", vector=False)]
    return spark.createDataFrame(rows, LABELS)


@pytest.fixture(scope="module")
def candidates(labels):
    return candidate_sets(labels, CONTROLS)


def test_the_sets_to_choose_from_are_the_unseen_the_seen_and_both(candidates):
    assert [(c.label_set, c.name, c.labels) for c in candidates] == [
        ("only seen", "seen_only", ["cat"]),
        ("s", "unseen_only", UNSEEN),
        ("s", "seen_only", SEEN),
        ("s", "unseen_and_seen", SEEN + UNSEEN),
    ]
    for c in candidates:
        assert (c.vectors == np.stack([VECTORS[name] for name in c.labels])).all()
        assert (c.control_vectors == np.stack([CONTROLS[name] for name in c.labels])).all()


def test_labels_that_came_after_the_model_have_a_control_vector_too(labels, candidates):
    of_then = {name: v for name, v in CONTROLS.items() if name != "elk"}
    for found, wanted in zip(candidate_sets(labels, of_then), candidates, strict=True):
        assert (found.labels, found.name) == (wanted.labels, wanted.name)
        assert (found.control_vectors == wanted.control_vectors).all()


def test_another_control_than_the_one_that_was_trained_towards_is_told(labels):
    other = CONTROLS | {"elk": -CONTROLS["elk"]}
    with pytest.raises(InputError, match=r"\(elk\): embed_labels ran with another seed since"):
        candidate_sets(labels, other)


@pytest.fixture(scope="module")
def ranks(spark, candidates):
    rows = [
        (f"p{i}", "set", name, name in SEEN, "test", "backbone", feature.tolist())
        for i, (name, feature) in enumerate(zip(TRUTH, FEATURE, strict=True))
    ]
    features = spark.createDataFrame(rows, FEATURES).repartition(3)
    return ranks_of_truth(spark, features, MAPS, candidates).cache()


def rank_by_counting(embedded, vectors, truth) -> int:
    """One more than the candidates that lie nearer than the right one."""
    cosines = [float(embedded @ v / np.linalg.norm(v)) for v in vectors]
    return 1 + sum(cosine > cosines[truth] for cosine in cosines)


def test_each_test_photo_is_ranked_by_each_method_in_each_set_that_holds_its_label(
    ranks, candidates
):
    wanted = []
    embedded = MAPS.embed(FEATURE)
    assert tuple(embedded) == METHODS
    for c in candidates:
        for method in METHODS:
            vectors = c.control_vectors if method == CONTROL else c.vectors
            for i, name in enumerate(TRUTH):
                if name in c.labels:
                    group = "set seen" if name in SEEN else "set unseen"
                    rank = rank_by_counting(embedded[method][i], vectors, c.labels.index(name))
                    wanted.append((group, c.label_set, c.name, method, rank))
    assert sorted(tuple(row) for row in ranks.collect()) == sorted(wanted)


def test_each_method_embeds_by_its_own_map():
    embedded = MAPS.embed(FEATURE)
    np.testing.assert_allclose(embedded["devise"], BUNDLE.projections["devise"].embed(FEATURE))
    np.testing.assert_allclose(embedded["ridge"], MAPS.ridge.embed(FEATURE))
    np.testing.assert_allclose(embedded[CONTROL], BUNDLE.projections[CONTROL].embed(FEATURE))
    logits = FEATURE @ BUNDLE.kernel + BUNDLE.bias
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    p[np.arange(40), p.argmin(axis=1)] = 0  # the two likeliest of three
    np.testing.assert_allclose(embedded["conse"], l2_normalize(p @ MAPS.class_vectors), atol=1e-5)
    assert all(abs(np.linalg.norm(v, axis=1) - 1).max() < 1e-5 for v in embedded.values())


def test_hit_at_k_is_the_share_of_ranks_up_to_k_with_chance_beside_it(spark):
    rows = [("p seen", "s", "seen_only", "devise", rank) for rank in (1, 2, 5, 9)]
    rows += [("p seen", "s", "seen_only", "ridge", rank) for rank in (3, 3, 3, 3)]
    schema = "photo_set string, label_set string, candidate_set string, method string, rank long"
    nothing = np.zeros((20, 2), dtype=np.float32)
    names = [f"l{i}" for i in range(20)]
    sets = [CandidateSet("seen_only", "s", names, nothing, nothing)]
    found = {
        (m.method, m.photo_set, m.candidate_set, m.metric, m.k): m.value
        for m in hit_metrics(spark.createDataFrame(rows, schema), sets, (1, 5, 100))
    }
    where = ("p seen", "seen_only")
    assert found == {
        ("devise", *where, "hit", 1): 0.25,
        ("devise", *where, "hit", 5): 0.75,
        ("devise", *where, "hit", 100): 1.0,
        ("ridge", *where, "hit", 1): 0.0,
        ("ridge", *where, "hit", 5): 1.0,
        ("ridge", *where, "hit", 100): 1.0,
        ("chance", *where, "hit", 1): 0.05,
        ("chance", *where, "hit", 5): 0.25,
        ("chance", *where, "hit", 100): 1.0,
        ("devise", *where, "photos", None): 4,
        ("devise", *where, "candidates", None): 20,
    }
