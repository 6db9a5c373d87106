"""Labelled features of any shape, for the tests of what is made from them."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

numbers = st.floats(-8, 8, width=32)
NAMES = ["ant", "bee", "cat", "dog"]


@st.composite
def labelled_features(draw):
    """Features (n, d), the label of each, and vectors (m,) by label."""
    n, d, m = draw(st.integers(2, 12)), draw(st.integers(1, 5)), draw(st.integers(1, 4))
    features = draw(arrays(np.float64, (n, d), elements=numbers))
    labels = draw(st.lists(st.sampled_from(NAMES), min_size=n, max_size=n))
    vectors = draw(arrays(np.float32, (len(NAMES), m), elements=numbers))
    return features, labels, dict(zip(NAMES, vectors, strict=True))


def standardised(x):
    """Each column less its mean, over its deviation; a constant one is only centred."""
    columns = []
    for column in x.T:
        deviation = column.std()
        columns.append((column - column.mean()) / (deviation if deviation > 1e-6 else 1.0))
    return np.stack(columns, axis=1)
