import numpy as np
import pytest

from devise_lib.numerics.candidates import ByWords, CandidateSet
from devise_lib.numerics.linear import Affine, Compatibility, Projection
from devise_lib.numerics.validation import Validation

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


def test_a_method_that_finds_every_label_has_full_marks():
    score = validation(*VECTORS, truth=np.arange(D)).score(IDENTITY)
    assert (score.alone, score.harmonic, score.value) == pytest.approx((1.0, 1.0, 1.0))


def test_the_score_by_hand():
    photos = validation(
        photo(_0=3, _2=4),  # right among those held out; behind a trained label by 0.2
        photo(_0=3, _1=4),  # behind another one held out
        photo(_2=1),  # of a trained label: lost from a penalty of 1 on
        truth=[0, 0, 2],
    )
    score = photos.score(IDENTITY)
    assert score.alone == pytest.approx((0.5 + 1) / 2)  # at 1, at 5
    assert score.harmonic == pytest.approx((2 * 0.5 / 1.5 + 1) / 2)
    assert 0.2 <= score.gamma < 1.0


def test_each_label_counts_as_much_however_many_photos_it_has():
    right, wrong = photo(_0=1), photo(_3=1)
    photos = validation(right, right, right, wrong, photo(_2=1), truth=[0, 0, 0, 1, 2])
    # At 5 the photo of label 1, which scores 0 there as most labels do, is not found either.
    assert photos.score(IDENTITY).alone == pytest.approx(0.5)


def test_scores_may_be_adjusted_before():
    photos = validation(photo(_0=3, _2=4), photo(_2=1), truth=[0, 2])
    scores = IDENTITY.scores(photos.features, LABELS)
    plain, adjusted = (photos.score_of(scores - less * SEEN) for less in (0.0, 0.5))
    assert adjusted.gamma == pytest.approx(plain.gamma - 0.5)
    assert adjusted.harmonic == pytest.approx(plain.harmonic)
