import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.numerics.splits import fold_of, is_test

IDS = [f"photo-{i}" for i in range(4000)]


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_about_that_share_of_the_photos_is_for_testing(share):
    kept = sum(is_test(photo_id, share, seed=0) for photo_id in IDS)
    four_deviations = 4 * (len(IDS) * share * (1 - share)) ** 0.5
    assert abs(kept - share * len(IDS)) < four_deviations


def test_none_and_all():
    assert not any(is_test(photo_id, 0.0, 1) for photo_id in IDS)
    assert all(is_test(photo_id, 1.0, 1) for photo_id in IDS)


@given(st.text(max_size=30), st.integers(0, 9), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_keeps_what_a_smaller_one_kept(photo_id, seed, a, b):
    small, large = sorted((a, b))
    assert is_test(photo_id, large, seed) or not is_test(photo_id, small, seed)


def test_another_seed_makes_another_split():
    one, other = ([is_test(photo_id, 0.5, seed) for photo_id in IDS] for seed in (0, 1))
    differ = sum(a != b for a, b in zip(one, other, strict=True))
    assert 0.4 * len(IDS) < differ < 0.6 * len(IDS)


def test_the_split_is_the_one_that_earlier_models_were_trained_with():
    """A model's test photos must stay its test photos: this list may never change."""
    kept = [photo_id for photo_id in IDS[:40] if is_test(photo_id, 0.25, 7)]
    assert kept == ["photo-0", "photo-1", "photo-13", "photo-16", "photo-27", "photo-32"]
    every = b"".join(b"%d" % is_test(photo_id, 0.25, 0) for photo_id in IDS)
    assert hashlib.sha256(every).hexdigest()[:16] == "75f29429768f5c07"


@given(st.text(max_size=9), st.integers(2, 9), st.integers(0, 9))
def test_a_label_is_in_one_of_the_folds(label, folds, seed):
    assert 0 <= fold_of(label, folds, seed) < folds


def test_folds_hold_about_as_many_labels_and_another_seed_deals_anew():
    labels = [f"label {n}" for n in range(2000)]
    first, second = ([fold_of(label, 5, seed) for label in labels] for seed in (0, 1))
    assert all(abs(first.count(fold) - 400) < 4 * (2000 * 0.2 * 0.8) ** 0.5 for fold in range(5))
    same = sum(a == b for a, b in zip(first, second, strict=True))
    assert abs(same - 400) < 4 * (2000 * 0.2 * 0.8) ** 0.5
