import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devise_lib.lsh.fitting import FITTED, itq_rotation, make_hash

NONE = np.empty((0, 8), np.float32)


def in_a_cone(n, d, clusters=200, seed=0):
    """Clustered vectors whose numbers are not negative, as features after a ReLU are."""
    rng = np.random.default_rng(seed)
    sizes = 1 / np.arange(1, clusters + 1)
    centres = np.maximum(rng.standard_normal((clusters, d)) + 0.5, 0)
    chosen = centres[rng.choice(clusters, n, p=sizes / sizes.sum())]
    vectors = np.maximum(chosen + 0.3 * rng.standard_normal((n, d)), 0) + 0.01
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def expected_candidates(codes):
    _, counts = np.unique(codes, return_counts=True)
    return float((counts.astype(float) ** 2).sum() / len(codes))


@pytest.mark.parametrize("kind", ["hyperplanes", *FITTED])
def test_a_hash_depends_on_its_arguments_alone(kind):
    sample = in_a_cone(300, 8)
    made = [make_hash(kind, 8, 6, 3, seed, sample).to_bytes() for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


def test_all_kinds_have_the_same_signatures_and_two_tables_differ():
    sample = in_a_cone(300, 8)
    made = [make_hash(kind, 8, 6, 2, 1, sample) for kind in ("hyperplanes", *FITTED)]
    for each in made:
        np.testing.assert_array_equal(each.signature_planes, made[0].signature_planes)
        assert not np.allclose(each.planes[0], each.planes[1])


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(0, 99))
def test_medians_split_every_bit_in_halves_whatever_is_added_to_all_vectors(n, seed):
    rng = np.random.default_rng(seed)
    sample = rng.integers(-3, 4, (n, 8)).astype(np.float32)  # with equal rows
    made = make_hash("median", 8, 5, 2, seed, sample)
    bits = made.margins(sample) > 0
    products = made.margins(sample) + made.thresholds
    for at in np.ndindex(2, 5):
        values = products[:, *at]
        best = min(abs(2 * np.sum(values > v) - n) for v in [values.min() - 1, *values])
        if len(np.unique(values)) > 1:  # As near to a half as any threshold between two values.
            best = min(abs(2 * np.sum(values > v) - n) for v in np.unique(values)[:-1])
        assert abs(2 * bits[:, *at].sum() - n) == best
    moved = make_hash("median", 8, 5, 2, seed, sample + 16)
    np.testing.assert_array_equal(moved.codes(sample + 16), made.codes(sample))


def test_no_vector_of_the_sample_lies_at_a_threshold():
    sample = in_a_cone(501, 8)
    made = make_hash("median", 8, 5, 2, 0, sample)
    assert np.abs(made.margins(sample)).min() > 1e-9


@pytest.mark.parametrize("kind", FITTED)
def test_equal_vectors_have_one_code_alone_and_in_a_batch(kind):
    vectors = np.tile(in_a_cone(1, 8), (500, 1))
    made = make_hash(kind, 8, 8, 3, 0, vectors)
    assert (made.codes(vectors) == made.codes(vectors[:1])).all()


def test_thresholds_of_the_other_kinds_are_those_of_the_mean():
    sample = in_a_cone(300, 8)
    for kind in ("centred", "pca", "itq"):
        made = make_hash(kind, 8, 6, 2, 0, sample)
        at_mean = made.margins(sample.astype(np.float64).mean(axis=0, keepdims=True))
        np.testing.assert_allclose(at_mean, 0, atol=1e-6)


def test_rotated_axes_keep_the_angles_of_the_principal_scores():
    sample = in_a_cone(300, 8)
    for kind in ("pca", "itq"):
        made = make_hash(kind, 8, 8, 2, 0, sample)
        for planes in made.planes.astype(np.float64):
            np.testing.assert_allclose(planes @ planes.T, np.eye(8), atol=1e-5)


def test_remedies_even_out_the_buckets_of_a_cone():
    """Centring empties the largest buckets, and medians do so once more; on one seed."""
    vectors = in_a_cone(20_000, 64)
    found, balance = {}, {}
    for kind in ("hyperplanes", "centred", "median"):
        made = make_hash(kind, 64, 12, 1, 3, vectors[::4])
        found[kind] = expected_candidates(made.codes(vectors)[:, 0])
        shares = (made.margins(vectors) > 0).mean(axis=0)
        balance[kind] = float(np.abs(shares - 0.5).max())
    assert found["hyperplanes"] > 1.5 * found["centred"]
    assert found["centred"] > 1.1 * found["median"]
    assert balance["median"] < 0.03 < 0.3 < balance["hyperplanes"]


def test_itq_brings_scores_nearer_to_corners_than_its_start():
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((500, 6)) * [5, 4, 3, 2, 1, 1]
    start, _ = np.linalg.qr(rng.standard_normal((6, 6)))

    def loss(rotation):
        turned = scores @ rotation
        return np.square(np.sign(turned) - turned).sum()

    losses = [loss(itq_rotation(scores, start, rounds)) for rounds in (0, 1, 5, 50)]
    assert losses[0] > losses[1] > losses[2] >= losses[3]
    np.testing.assert_allclose(
        itq_rotation(scores, start) @ itq_rotation(scores, start).T, np.eye(6), atol=1e-9
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hyperplanes", 0, 1, 1, 0, NONE), r"bits in \[1, 62\]"),
        (("hyperplanes", 8, 63, 1, 0, NONE), r"bits in \[1, 62\]"),
        (("hyperplanes", 8, 1, 0, 0, NONE), "tables >= 1"),
        (("median", 8, 1, 1, 0, NONE), "want a sample"),
        (("pca", 8, 9, 1, 0, np.ones((3, 8))), "bits <= 8; got 9"),
        (("other", 8, 9, 1, 0, NONE), "want a kind"),
    ],
)
def test_what_cannot_be_made_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_hash(*arguments)
