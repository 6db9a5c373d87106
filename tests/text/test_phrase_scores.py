import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.text.phrase_scores import score_bigrams

counts = st.tuples(st.integers(1, 900), st.integers(1, 900), st.integers(1, 900))


@given(st.lists(counts, max_size=5), st.integers(1, 10_000), st.integers(1, 20))
def test_default_scores_are_those_of_the_paper_times_the_vocabulary(pairs, vocabulary, min_count):
    scores = score_bigrams(pairs, vocabulary, 5_000, min_count, "default")
    wanted = [(both - min_count) / (a * b) * vocabulary for a, b, both in pairs]
    np.testing.assert_allclose(scores, wanted)


def test_npmi_is_one_for_words_that_stand_together_only_and_zero_for_chance():
    scores = score_bigrams([(10, 10, 10), (100, 100, 10), (10, 10, 2)], 50, 1_000, 3, "npmi")
    assert scores.tolist() == [pytest.approx(1), pytest.approx(0, abs=1e-9), -math.inf]
