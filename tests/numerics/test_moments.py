from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.numerics.moments import ClassMoments
from tests.numerics.labelled_features import NAMES, labelled_features, standardised


def assert_same(one, other, atol=1e-9):
    assert list(one.labels) == list(other.labels)
    assert one.counts.tolist() == other.counts.tolist()
    np.testing.assert_allclose(one.sums, other.sums, atol=atol)
    np.testing.assert_allclose(one.xx, other.xx, atol=atol)


@given(labelled_features())
def test_the_sums_are_those_of_the_rows(table):
    features, labels, vectors = table
    moments = ClassMoments.of(features, labels)
    assert list(moments.labels) == sorted(set(labels))
    assert moments.rows == len(features)
    for label, count, total in zip(moments.labels, moments.counts, moments.sums, strict=True):
        rows = [x for x, own in zip(features, labels, strict=True) if own == label]
        assert count == len(rows)
        np.testing.assert_allclose(total, np.sum(rows, axis=0), atol=1e-9)
    np.testing.assert_allclose(moments.xx, sum(np.outer(x, x) for x in features), atol=1e-9)
    np.testing.assert_array_equal(
        moments.matrix_of(vectors), [vectors[label] for label in moments.labels]
    )


@given(labelled_features(), st.data())
def test_they_add_up_however_the_rows_are_cut(table, data):
    features, labels, _ = table
    cuts = sorted(data.draw(st.lists(st.integers(0, len(features)), max_size=4)))
    ends = [0, *cuts, len(features)]
    parts = [ClassMoments.of(features[a:b], labels[a:b]) for a, b in pairwise(ends)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    assert_same(total, ClassMoments.of(features, labels))


@given(labelled_features())
def test_mean_and_deviation_are_those_of_the_columns(table):
    features, labels, _ = table
    moments = ClassMoments.of(features, labels)
    np.testing.assert_allclose(moments.mean, features.mean(0), atol=1e-9)
    spread = features.std(0)
    large = spread > 1e-3
    np.testing.assert_allclose(moments.deviation[large], spread[large], rtol=1e-6)
    assert (moments.deviation > 0).all()


def test_the_standardised_sums_are_those_of_standardised_features():
    features = np.random.default_rng(2).normal(3.0, 2.0, size=(40, 5))
    features[:, 3] = 7.0  # constant: only centred
    labels = [NAMES[i % 3] for i in range(40)]
    wanted = ClassMoments.of(standardised(features), labels)
    assert_same(ClassMoments.of(features, labels).standardised(), wanted, atol=1e-7)


def test_features_of_half_precision_are_summed_in_double():
    features = np.full((3000, 1), 100.0, dtype=np.float16)  # their sum is beyond float16
    assert ClassMoments.of(features, ["ant"] * 3000).sums.tolist() == [[300_000.0]]


@given(labelled_features(), labelled_features(), st.integers(1, 7))
def test_bands_add_as_the_whole_does_and_make_it_again(one, other, count):
    width = min(one[0].shape[1], other[0].shape[1])
    parts = [ClassMoments.of(features[:, :width], labels) for features, labels, _ in (one, other)]
    both = zip(*(part.bands(count) for part in parts), strict=True)
    found, wanted = ClassMoments.of_bands([a + b for a, b in both]), parts[0] + parts[1]
    assert found.labels == wanted.labels
    for name in ("counts", "sums", "xx"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
