import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devise_lib.numerics.vectors import l2_normalize
from devise_lib.training.loss import make_loss, with_l2_sp
from devise_lib.training.settings import Objective
from tests.numerics.ranking import (
    cosine_distance,
    euclidean_distance,
    expected_one_violator_loss,
    hardest_violator_loss,
    hinge_rank_loss,
    violations,
)

margins = st.sampled_from([0.1, 0.5, 1.0])


@st.composite
def batches(draw):
    """images (n, d) away from zero, unit labels (m, d), truth (n,)."""
    n, m, d = draw(st.integers(1, 4)), draw(st.integers(2, 5)), draw(st.integers(2, 4))
    numbers = st.floats(-3, 3, width=16)
    images = draw(arrays(np.float64, (n, d), elements=numbers))
    images[:, 0] += np.where(images[:, 0] >= 0, 0.5, -0.5)
    labels = l2_normalize(draw(arrays(np.float64, (m, d), elements=numbers)))
    return images, labels, draw(arrays(np.int32, n, elements=st.integers(0, m - 1)))


def make_rank_loss(labels, margin, negative_mining, normalize, seed, loss="rank"):
    draw = keras.random.SeedGenerator(seed)
    return make_loss(Objective(loss, margin, negative_mining, normalize), labels, draw)


def value(loss, images, truth) -> float:
    return float(loss(tf.constant(images, dtype=tf.float32), tf.constant(truth)))


def gradient(loss, images, truth):
    """(n, d), of the loss to the images."""
    variable = tf.Variable(images, dtype=tf.float32)
    with tf.GradientTape() as tape:
        total = loss(variable, tf.constant(truth))
    return tf.convert_to_tensor(tape.gradient(total, variable)).numpy()


@given(batches(), margins, st.booleans())
def test_with_all_violators_it_is_the_mean_of_the_hinge_rank_loss(batch, margin, normalize):
    images, labels, truth = batch
    loss = make_rank_loss(labels, margin, "all", normalize, seed=0)
    scaled = l2_normalize(images) if normalize else images
    wanted = hinge_rank_loss(scaled, labels, truth, margin).mean()
    assert value(loss, images, truth) == pytest.approx(wanted, rel=1e-4, abs=1e-4)


@given(batches(), margins, st.booleans())
def test_with_the_hardest_violator_it_is_the_mean_of_the_largest_hinges(batch, margin, normalize):
    images, labels, truth = batch
    loss = make_rank_loss(labels, margin, "hardest", normalize, seed=0)
    scaled = l2_normalize(images) if normalize else images
    wanted = hardest_violator_loss(scaled, labels, truth, margin).mean()
    assert value(loss, images, truth) == pytest.approx(wanted, rel=1e-4, abs=1e-4)


@given(batches(), margins, st.booleans())
def test_the_euclidean_distance_comes_on_top_of_the_rank_loss(batch, margin, normalize):
    images, labels, truth = batch
    loss = make_rank_loss(labels, margin, "all", normalize, seed=0, loss="rank_and_euclidean")
    scaled = l2_normalize(images) if normalize else images
    wanted = hinge_rank_loss(scaled, labels, truth, margin).mean()
    wanted += euclidean_distance(scaled, labels, truth).mean()
    assert value(loss, images, truth) == pytest.approx(wanted, rel=1e-4, abs=1e-4)
    assert np.isfinite(gradient(loss, labels[truth], truth)).all()  # where the distance is 0


@given(batches())
def test_the_cosine_loss_is_the_mean_cosine_distance(batch):
    images, labels, truth = batch
    loss = make_loss(Objective("cosine"), labels, keras.random.SeedGenerator(0))
    wanted = cosine_distance(images, labels, truth).mean()
    assert value(loss, images, truth) == pytest.approx(wanted, abs=1e-4)


@settings(max_examples=40)
@given(batches(), margins, st.booleans())
def test_with_one_violator_each_image_adds_one_of_its_violations(batch, margin, normalize):
    images, labels, truth = batch
    loss = make_rank_loss(labels, margin, "one", normalize, seed=0)
    scaled = l2_normalize(images) if normalize else images
    for i in range(len(images)):
        hinges = violations(scaled[i : i + 1], labels, truth[i : i + 1], margin)[0]
        choices = hinges[hinges > 0] if (hinges > 0).any() else np.zeros(1)
        found = value(loss, images[i : i + 1], truth[i : i + 1])
        assert np.abs(choices - found).min() < 1e-3


def clear_batch(normalize: bool):
    """A batch none of whose hinges is near its kink, where a difference would be no slope."""
    rng = np.random.default_rng(8)
    labels = l2_normalize(rng.standard_normal((6, 4)))
    truth = rng.integers(6, size=5).astype(np.int32)
    images = rng.standard_normal((5, 4))
    scaled = l2_normalize(images) if normalize else images
    scores = scaled @ labels.T
    assert np.abs(0.5 - scores[range(5), truth][:, None] + scores).min() > 2e-3
    return images, labels, truth


ORACLES = {
    ("rank", "all"): hinge_rank_loss,
    ("rank", "hardest"): hardest_violator_loss,
    ("rank_and_euclidean", "all"): lambda x, labels, truth, margin: (
        hinge_rank_loss(x, labels, truth, margin) + euclidean_distance(x, labels, truth)
    ),
    ("cosine", "all"): lambda x, labels, truth, _: cosine_distance(x, labels, truth),
}


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("kind", list(ORACLES))
def test_the_gradient_is_the_slope_of_the_oracle(kind, normalize):
    images, labels, truth = clear_batch(normalize)

    def oracle(x):
        scaled = l2_normalize(x) if normalize else x
        return ORACLES[kind](scaled, labels, truth, 0.5).mean()

    slopes = np.zeros_like(images)
    for place in np.ndindex(*images.shape):
        step = np.zeros_like(images)
        step[place] = 1e-5
        slopes[place] = (oracle(images + step) - oracle(images - step)) / 2e-5
    name, negative_mining = kind
    loss = make_rank_loss(labels, 0.5, negative_mining, normalize, seed=0, loss=name)
    found = gradient(loss, images, truth)
    assert np.abs(slopes).max() > 0.05
    np.testing.assert_allclose(found, slopes, atol=1e-4)


# The right label is 0; 1, 2 and 3 come too near, 4 does not.
LABELS = np.array([[1, 0], [0.8, 0.6], [0, 1], [0.6, 0.8], [-1, 0]])
IMAGE = np.array([0.5, 0.6])
ROWS = 3000


def drawn(loss) -> list[int]:
    """The label that each of ROWS equal images was compared with, told by its gradient."""
    images = np.tile(IMAGE, (ROWS, 1))
    steps = gradient(loss, images, np.zeros(ROWS, dtype=np.int32)) * ROWS  # t_j - t_right
    distances = np.linalg.norm(steps[:, None] + LABELS[0] - LABELS, axis=2)
    assert distances.min(axis=1).max() < 1e-4
    return distances.argmin(axis=1).tolist()


def test_one_violator_is_drawn_uniformly_from_those_that_violate():
    labels = drawn(make_rank_loss(LABELS, 0.1, "one", False, seed=5))
    counts = np.bincount(labels, minlength=5)
    assert counts[[0, 4]].tolist() == [0, 0]
    expected = ROWS / 3
    chi_square = ((counts[1:4] - expected) ** 2 / expected).sum()
    assert chi_square < 13.8  # two degrees of freedom: chance 0.001


def test_the_draw_is_new_at_every_step_of_a_compiled_function_and_repeats_with_the_seed():
    def steps(seed: int) -> list[float]:
        loss = make_rank_loss(LABELS, 0.1, "one", False, seed)
        step = tf.function(loss)
        images = tf.constant(np.tile(IMAGE, (50, 1)), dtype=tf.float32)
        return [float(step(images, tf.zeros(50, dtype=tf.int32))) for _ in range(6)]

    first = steps(1)
    assert len(set(first)) > 3
    assert steps(1) == first
    assert steps(2) != first


def test_the_mean_over_draws_is_the_expected_loss():
    wanted = expected_one_violator_loss(IMAGE[None], LABELS, np.zeros(1, dtype=int), 0.1)[0]
    loss = make_rank_loss(LABELS, 0.1, "one", False, seed=2)
    found = value(loss, np.tile(IMAGE, (ROWS, 1)), np.zeros(ROWS, dtype=np.int32))
    assert found == pytest.approx(wanted, abs=0.02)


def test_a_batch_without_a_violator_has_no_loss_and_no_gradient():
    for negative_mining in ("all", "one", "hardest"):
        loss = make_rank_loss(np.eye(3), 0.5, negative_mining, True, seed=0)
        assert value(loss, np.eye(3), np.arange(3)) == 0
        assert not gradient(loss, np.eye(3), np.arange(3)).any()


def test_the_pull_is_half_the_squared_way_from_where_the_weights_were():
    weights = keras.Variable(np.arange(6.0).reshape(2, 3), dtype="float32")
    loss = with_l2_sp(lambda projected, _: tf.reduce_sum(projected), weights, 0.4)
    step = tf.function(loss)
    assert float(step(tf.ones((2, 2)), None)) == 4
    weights.assign_add(np.full((2, 3), 0.5))
    with tf.GradientTape() as tape:
        found = step(tf.ones((2, 2)), None)
    assert float(found) == pytest.approx(4 + 0.2 * 6 * 0.25)
    np.testing.assert_allclose(tape.gradient(found, weights.value), np.full((2, 3), 0.4 * 0.5))
