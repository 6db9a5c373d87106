import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devise_lib.numerics.vectors import l2_normalize
from tests.numerics.ranking import expected_one_violator_loss, hinge_rank_loss, violations

margins = st.floats(0, 2)


@st.composite
def batches(draw):
    """images (n, d), unit labels (m, d), truth (n,); every size from 1 to 6."""
    n, m, d = (draw(st.integers(1, 6)) for _ in "nmd")
    numbers = st.floats(-10, 10, width=32)
    images = draw(arrays(np.float64, (n, d), elements=numbers))
    labels = l2_normalize(draw(arrays(np.float64, (m, d), elements=numbers)))
    truth = draw(arrays(np.int64, n, elements=st.integers(0, m - 1)))
    return images, labels, truth


def hinges_of(images, labels, truth, margin):
    """By image, the terms of the paper's sum, one wrong label after the other."""
    return [
        [max(0.0, margin - labels[t] @ u + labels[j] @ u) for j in range(len(labels)) if j != t]
        for u, t in zip(images, truth, strict=True)
    ]


@given(batches(), margins)
def test_the_loss_is_equation_1(batch, margin):
    wanted = [sum(terms) for terms in hinges_of(*batch, margin)]
    np.testing.assert_allclose(hinge_rank_loss(*batch, margin), wanted, rtol=1e-9, atol=1e-9)


@given(batches(), margins)
def test_violations_are_the_terms_of_equation_1_and_nothing_for_the_right_label(batch, margin):
    found = violations(*batch, margin)
    _, labels, truth = batch
    for row, right, terms in zip(found, truth, hinges_of(*batch, margin), strict=True):
        assert row[right] == 0
        np.testing.assert_allclose(np.delete(row, right), terms, atol=1e-9)
    assert found.shape == (len(truth), len(labels))


@given(batches(), margins)
def test_one_violator_is_the_mean_over_those_that_violate(batch, margin):
    wanted = [
        np.mean([term for term in terms if term > 0] or [0.0])
        for terms in violations(*batch, margin).tolist()
    ]
    np.testing.assert_allclose(expected_one_violator_loss(*batch, margin), wanted, rtol=1e-9)


@given(batches(), margins, margins)
def test_grows_with_the_margin_from_at_least_zero(batch, a, b):
    tight, wide = (hinge_rank_loss(*batch, margin) for margin in sorted((a, b)))
    assert (tight >= 0).all()
    assert (wide >= tight - 1e-9).all()


@given(batches(), st.randoms(use_true_random=False))
def test_does_not_depend_on_the_order_of_the_labels(batch, random):
    images, labels, truth = batch
    order = np.array(random.sample(range(len(labels)), len(labels)))
    moved = np.argsort(order)[truth]
    for loss in (hinge_rank_loss, expected_one_violator_loss):
        np.testing.assert_allclose(
            loss(images, labels[order], moved, 0.3), loss(*batch, 0.3), rtol=1e-6, atol=1e-9
        )


# One image between its label (1, 0) and two wrong ones, worked out by hand.
EXAMPLE = (
    np.array([[0.5, 0.5]]),
    np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]),
    np.array([0]),
)


def test_a_worked_example():
    np.testing.assert_allclose(violations(*EXAMPLE, margin=0.1), [[0.0, 0.1, 0.3]])
    np.testing.assert_allclose(hinge_rank_loss(*EXAMPLE, margin=0.1), [0.4])
    np.testing.assert_allclose(expected_one_violator_loss(*EXAMPLE, margin=0.1), [0.2])


def test_the_margin_of_the_paper_is_the_default():
    np.testing.assert_allclose(hinge_rank_loss(*EXAMPLE), [0.4])
    np.testing.assert_allclose(expected_one_violator_loss(*EXAMPLE), [0.2])


def test_is_zero_when_the_right_label_leads_by_the_margin():
    batch = np.eye(3), np.eye(3), np.arange(3)
    assert hinge_rank_loss(*batch, margin=1.0).tolist() == [0, 0, 0]
    assert expected_one_violator_loss(*batch, margin=1.0).tolist() == [0, 0, 0]


def test_no_image_has_no_loss():
    nothing = np.zeros((0, 3)), np.eye(3), np.zeros(0, dtype=np.int64)
    assert hinge_rank_loss(*nothing).shape == (0,)


@pytest.mark.parametrize(
    ("images", "truth", "message"),
    [
        (np.eye(3), np.full(3, 3), r"want truth in \[0, 3\); got \[3, 3\]"),
        (np.eye(3), np.array([0, -1, 2]), r"want truth in \[0, 3\); got \[-1, 2\]"),
        (np.eye(3), np.zeros(2, dtype=int), r"want truth \(3,\), .* got \(2,\)"),
        (np.eye(2), np.zeros(2, dtype=int), r"images \(n, d\), .* got \(2, 2\), \(3, 3\)"),
        (np.ones(3), np.zeros(3, dtype=int), r"got \(3,\), \(3, 3\)"),
    ],
)
def test_shapes_that_do_not_agree_are_told(images, truth, message):
    with pytest.raises(ValueError, match=message):
        hinge_rank_loss(images, np.eye(3), truth)
