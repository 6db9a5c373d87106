import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devise_lib.report.pca_plane import fit_plane, place_names

numbers = st.floats(-10, 10, width=32)


@st.composite
def clouds(draw):
    m, d = draw(st.integers(3, 8)), draw(st.integers(2, 6))
    return draw(arrays(np.float64, (m, d), elements=numbers))


@given(clouds())
def test_no_other_plane_holds_more_of_the_variance(vectors):
    plane = fit_plane(vectors)
    centred = vectors - vectors.mean(axis=0)
    held = np.square(plane.project(vectors)).sum()
    best = np.sort(np.linalg.eigvalsh(centred.T @ centred))[-2:].sum()
    assert held == pytest.approx(best, rel=1e-6, abs=1e-6)
    assert held == pytest.approx(plane.share * np.square(centred).sum(), rel=1e-6, abs=1e-6)


@given(clouds())
def test_axes_are_orthonormal_and_do_not_flip(vectors):
    axes = fit_plane(vectors).axes
    np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=1e-9)
    assert (axes[np.arange(2), np.abs(axes).argmax(axis=1)] > 0).all()


def test_two_vectors_are_no_plane():
    with pytest.raises(ValueError, match=r"at least 3 vectors of 2 dimensions; got \(2, 5\)"):
        fit_plane(np.ones((2, 5)))


@given(st.lists(st.tuples(numbers, numbers, st.floats(0.5, 4), st.floats(0.5, 2)), max_size=12))
def test_names_cover_neither_one_another_nor_a_point_nor_leave_the_frame(rows):
    points = np.array([row[:2] for row in rows]).reshape(-1, 2)
    sizes = np.array([row[2:] for row in rows]).reshape(-1, 2)
    boxes = [box for box in place_names(points, sizes, (-9, -9, 9, 9), gap=0.2) if box]
    for place, (left, low, right, top) in enumerate(boxes):
        assert min(left, low) >= -9
        assert max(right, top) <= 9
        assert not any(left < x < right and low < y < top for x, y in points)
        for other in boxes[:place]:
            assert right <= other[0] or left >= other[2] or top <= other[1] or low >= other[3]


def test_a_lone_name_stands_to_the_right_of_its_point():
    [box] = place_names(np.zeros((1, 2)), np.array([[3.0, 1.0]]), (-9, -9, 9, 9), gap=0.5)
    assert box == (0.5, -0.5, 3.5, 0.5)


def test_a_name_without_room_is_left_out():
    assert place_names(np.zeros((1, 2)), np.array([[99.0, 1.0]]), (-9, -9, 9, 9), 0.5) == [None]
