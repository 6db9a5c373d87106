import numpy as np
import pytest

from devise_lib.numerics.candidates import ByWords, CandidateSet
from devise_lib.numerics.linear import Affine, Compatibility, Projection
from devise_lib.numerics.splits import halves
from devise_lib.numerics.validation import (
    Score,
    Validation,
    choose_by_one_standard_error,
    cross_fitted,
)

D = 14  # labels; the first two and every other one after them are held out
VECTORS = np.eye(D, dtype=np.float32)
SEEN = np.array([False, False, *([True, False] * 6)])
LABELS = CandidateSet([f"label {n:02}" for n in range(D)], SEEN, VECTORS, VECTORS[::-1])
IDENTITY = ByWords(Compatibility(Projection((Affine(VECTORS, np.zeros(D, dtype=np.float32)),))))


def photo(**scores):
    """A photo whose score of label n is proportional to what is given for `_n`."""
    feature = np.zeros(D, dtype=np.float32)
    for name, score in scores.items():
        feature[int(name[1:])] = score
    return feature


def validation(*features, truth):
    return Validation(np.array(features, dtype=np.float32), np.array(truth), LABELS)


def score(*validations, method=IDENTITY):
    return Score.over([each.evaluate(method) for each in validations])


def test_a_method_that_finds_every_label_has_full_marks():
    found = score(validation(*VECTORS, truth=np.arange(D)))
    assert (found.unseen_accuracy, found.harmonic_mean, found.value) == pytest.approx(
        (1.0, 1.0, 1.0)
    )


PHOTOS = validation(
    photo(_0=3, _2=4),  # right among those held out; behind a trained label by 0.2
    photo(_0=3, _1=4),  # behind another one held out
    photo(_2=1),  # of a trained label: lost from a penalty of 1 on
    truth=[0, 0, 2],
)


def test_the_score_by_hand():
    found = score(PHOTOS)
    assert found.unseen_accuracy == pytest.approx((0.5 + 1) / 2)  # at 1, at 5
    assert found.harmonic_mean == pytest.approx((2 * 0.5 / 1.5 + 1) / 2)
    assert 0.2 <= found.gamma < 1.0


def test_folds_count_alike_however_many_photos_they_have_and_have_one_penalty():
    easy = validation(photo(_0=1), photo(_2=1), truth=[0, 2])  # right up to a penalty of 1
    both = score(PHOTOS, easy)
    alone = score(PHOTOS), score(easy)
    assert both.unseen_accuracy == pytest.approx(np.mean([each.unseen_accuracy for each in alone]))
    assert both.harmonic_mean == pytest.approx(np.mean([each.harmonic_mean for each in alone]))
    assert 0.2 <= both.gamma < 1.0
    far = validation(photo(_0=3, _2=9), photo(_2=1), truth=[0, 2])  # wants more: 6 / |(3, 9)|
    assert score(far).gamma > 0.6
    assert 0.2 <= score(PHOTOS, PHOTOS, far).gamma < 1.0


def test_each_label_counts_as_much_however_many_photos_it_has():
    right, wrong = photo(_0=1), photo(_3=1)
    photos = validation(right, right, right, wrong, photo(_2=1), truth=[0, 0, 0, 1, 2])
    # At 5 the photo of label 1, which scores 0 there as most labels do, is not found either.
    assert score(photos).unseen_accuracy == pytest.approx(0.5)


def test_the_score_of_each_label_is_told_and_which_labels_were_to_choose_from():
    right, wrong = photo(_0=1), photo(_3=1)
    photos = validation(right, wrong, right, photo(_2=1), truth=[0, 0, 1, 2])
    found = score(photos)
    assert found.by_label == ({"label 00": 0.5, "label 01": 0.0},)
    assert found.by_fold == pytest.approx((np.mean(list(found.by_label[0].values())),))
    told = photos.label_scores(found.by_label[0])
    assert list(told) == sorted(photos.held_out)
    assert {label: value for label, value in told.items() if value is not None} == found.by_label[0]


def test_scores_may_be_adjusted_before():
    photos = validation(photo(_0=3, _2=4), photo(_2=1), truth=[0, 2])
    scores = IDENTITY.scores(photos.features, LABELS)
    plain, adjusted = (Score.over([photos.score(scores - less * SEEN)]) for less in (0.0, 0.5))
    assert adjusted.gamma == pytest.approx(plain.gamma - 0.5)
    assert adjusted.harmonic_mean == pytest.approx(plain.harmonic_mean)


def test_labels_held_out_are_those_that_are_not_seen():
    assert PHOTOS.held_out == {f"label {n:02}" for n in range(D) if not SEEN[n]}


def made(*by_fold):
    mean = float(np.mean(by_fold))
    return Score(mean, mean, 0.0, by_fold)


def test_the_value_is_the_mean_over_folds_of_labels_held_out_alone():
    found = score(PHOTOS, validation(photo(_0=1), photo(_2=1), truth=[0, 2]))
    assert found.value == pytest.approx(np.mean(found.by_fold))
    assert found.by_fold == pytest.approx((0.75, 1.0))


def test_the_first_is_chosen_that_is_not_clearly_worse_than_the_best():
    best = made(0.5, 0.6, 0.7)
    always_worse = made(0.45, 0.55, 0.65)  # by little, but in every fold
    sometimes_worse = made(0.3, 0.65, 0.75)  # behind by 0.2, -0.05, -0.05: 0.033 +- 0.083
    assert choose_by_one_standard_error([always_worse, best]) == 1
    assert choose_by_one_standard_error([sometimes_worse, best]) == 0
    assert (
        choose_by_one_standard_error([always_worse, best, sometimes_worse, made(0.1, 0.1, 0.1)])
        == 1
    )


def test_with_one_fold_the_best_is_chosen_and_of_equals_the_first():
    assert choose_by_one_standard_error([made(0.3), made(0.5), made(0.5), made(0.4)]) == 1


def test_a_label_is_scored_at_the_step_that_the_other_half_of_the_labels_chose():
    names = [f"label {n}" for n in range(7)]
    first, second = halves(names, 0)
    assert (len(first), sorted([*first, *second])) == (4, names)
    start = dict.fromkeys(names, 0.1)
    one = {name: 0.5 if name in first else 0.05 for name in names}
    two = {name: 0.2 if name in first else 0.4 for name in names}
    found = cross_fitted([start, one, two])
    assert found == {**dict.fromkeys(first, 0.2), **dict.fromkeys(second, 0.05)}
    assert cross_fitted([{"a": 0.1}, {"a": 0.9}]) == {"a": 0.1}, "nobody else can choose"


def test_scores_of_many_steps_without_any_gain_show_none():
    """The kind of fault: the best of several is chosen and compared by the same labels.

    The mean of the greatest of ten means of ten labels is ahead of the start by 0.04.
    """
    rng, names = np.random.default_rng(2), [f"label {n}" for n in range(10)]
    leads, chosen = [], []
    for _ in range(800):
        steps = np.vstack([np.zeros(10), rng.normal(0, 0.08, (10, 10))])
        by_step = [dict(zip(names, step, strict=True)) for step in steps.tolist()]
        leads.append(np.mean(list(cross_fitted(by_step).values())))
        chosen.append(steps.mean(axis=1).max())
    assert np.mean(chosen) > 0.03
    assert abs(np.mean(leads)) < 3 * np.std(leads) / 800**0.5
