import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devise_lib.numerics.linear import Moments, Projection, fold_standardisation, ridge
from devise_lib.numerics.vectors import l2_normalize

numbers = st.floats(-8, 8, width=32)


@st.composite
def tables(draw):
    """Features (n, d) and targets (n, m)."""
    n, d, m = draw(st.integers(2, 12)), draw(st.integers(1, 5)), draw(st.integers(1, 4))
    x = draw(arrays(np.float64, (n, d), elements=numbers))
    return x, draw(arrays(np.float64, (n, m), elements=numbers))


def standardised(x):
    """Each column less its mean, over its deviation; a constant one is only centred."""
    columns = []
    for column in x.T:
        deviation = column.std()
        columns.append((column - column.mean()) / (deviation if deviation > 1e-6 else 1.0))
    return np.stack(columns, axis=1)


def ridge_by_least_squares(x, y, strength):
    """Ridge as the plain least squares of the data with sqrt(strength) * I below it."""
    z, d = standardised(x), x.shape[1]
    stacked = np.vstack([z, np.sqrt(strength) * np.eye(d)])
    weights, *_ = np.linalg.lstsq(stacked, np.vstack([y, np.zeros((d, y.shape[1]))]), rcond=None)
    return z @ weights


def assert_same(one, other):
    for name in ("x", "xx", "y", "xy"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-9)
    assert one.n == other.n


@given(tables(), st.floats(0.1, 100))
def test_ridge_predicts_as_least_squares_on_stacked_data(table, strength):
    x, y = table
    fitted = ridge(Moments.of(x, y), strength)
    assert fitted.matrix.shape == (y.shape[1], x.shape[1])
    assert fitted.matrix.dtype == fitted.offset.dtype == np.float32
    scale = 1 + np.abs(fitted.matrix).max() + np.abs(y).max()
    np.testing.assert_allclose(
        x @ fitted.matrix.T + fitted.offset,
        ridge_by_least_squares(x, y, strength),
        atol=1e-4 * scale,
    )


def test_ridge_with_a_tiny_strength_finds_an_exact_map():
    rng = np.random.default_rng(3)
    x = rng.normal(5.0, 2.0, size=(200, 3))
    truth = rng.normal(size=(4, 3))
    y = standardised(x) @ truth.T
    fitted = ridge(Moments.of(x, y), 1e-9)
    np.testing.assert_allclose(x @ fitted.matrix.T + fitted.offset, y, atol=1e-4)


def test_a_larger_strength_gives_a_smaller_map():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(50, 4)), rng.normal(size=(50, 3))
    sizes = [np.abs(ridge(Moments.of(x, y), s).matrix).sum() for s in (0.1, 10, 1000)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] < 0.2 * sizes[0]


@given(tables(), st.data())
def test_moments_add_up_however_the_rows_are_cut(table, data):
    x, y = table
    cuts = sorted(data.draw(st.lists(st.integers(0, len(x)), max_size=4)))
    parts = zip(np.split(x, cuts), np.split(y, cuts), strict=True)
    total, *rest = (Moments.of(*part) for part in parts)
    for part in rest:
        total = total + part
    assert_same(total, Moments.of(x, y))


@given(tables())
def test_mean_and_deviation_are_those_of_the_columns(table):
    x, y = table
    mean, deviation = Moments.of(x, y).mean_and_deviation()
    np.testing.assert_allclose(mean, x.mean(0), atol=1e-9)
    spread = x.std(0)
    large = spread > 1e-3
    np.testing.assert_allclose(deviation[large], spread[large], rtol=1e-6)
    assert (deviation > 0).all()


def test_a_constant_feature_has_deviation_one_and_spoils_nothing():
    x = np.array([[3.0, 1.0], [3.0, -1.0]])
    moments = Moments.of(x, np.eye(2))
    assert moments.mean_and_deviation()[1].tolist() == [1.0, 1.0]
    assert np.isfinite(ridge(moments, 1.0).matrix).all()


def test_features_of_half_precision_are_summed_in_double():
    x = np.full((3000, 1), 100.0, dtype=np.float16)  # its sum is beyond float16
    assert Moments.of(x, np.ones((3000, 1), dtype=np.float32)).x.tolist() == [300_000.0]


@given(tables(), st.data())
def test_a_folded_map_is_standardise_then_map(table, data):
    x, y = table
    weights = data.draw(arrays(np.float64, (y.shape[1], x.shape[1]), elements=numbers))
    mean, deviation = Moments.of(x, y).mean_and_deviation()
    folded = fold_standardisation(weights, mean, deviation)
    by_hand = ((x - mean) / deviation) @ weights.T
    scale = 1 + np.abs(folded.matrix).max() * 8 + np.abs(folded.offset).max()
    np.testing.assert_allclose(
        x @ folded.matrix.T.astype(np.float64) + folded.offset, by_hand, atol=1e-5 * scale
    )


def test_a_projection_embeds_to_unit_rows():
    projection = Projection(
        np.array([[2, 0, 0], [0, 1, 0]], dtype=np.float32), np.array([1, 4], dtype=np.float32)
    )
    embedded = projection.embed(np.array([[1.0, 0.0, 9.0]]))
    np.testing.assert_allclose(embedded, l2_normalize(np.array([[3.0, 4.0]])), rtol=1e-6)
    assert embedded.dtype == np.float32


@pytest.mark.parametrize(("rows", "strength"), [(0, 1.0), (2, 0.0), (2, -1.0)])
def test_no_rows_or_no_strength_is_refused(rows, strength):
    moments = Moments.of(np.ones((rows, 2)), np.ones((rows, 2)))
    with pytest.raises(ValueError, match=f"want rows and a positive strength; got {rows}"):
        ridge(moments, strength)
