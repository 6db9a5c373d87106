import numpy as np
import pytest

from devise_lib.training.augmentation import Augmentation, make_augmentation

SIZE = 24
NONE = Augmentation(flip=False, translate=0.0, crop=0.0, colour=0.0)
PHOTOS = np.random.default_rng(5).integers(40, 216, (64, SIZE, SIZE, 3)).astype(np.float32)

COLOUR = np.array([120.0, 132.0, 150.0], dtype=np.float32)
FLAT = np.broadcast_to(COLOUR, PHOTOS.shape)


def changed(settings, photos=PHOTOS, seed=1, training=True):
    return np.asarray(make_augmentation(settings, SIZE, seed)(photos, training=training))


def test_half_of_the_photos_are_mirrored():
    found = changed(Augmentation(True, 0.0, 0.0, 0.0))
    same = (found == PHOTOS).all(axis=(1, 2, 3))
    mirrored = (found == PHOTOS[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert 16 < mirrored.sum() < 48


def test_photos_move_by_no_more_than_the_share_and_their_edge_fills_what_is_left():
    ramp = np.broadcast_to(np.arange(SIZE, dtype=np.float32)[:, None, None], PHOTOS.shape)
    found = changed(Augmentation(False, 0.25, 0.0, 0.0), ramp)
    moves = np.abs(found - ramp).max(axis=(1, 2, 3))
    assert 4 < moves.max() <= 0.25 * SIZE + 0.01
    assert (found.min(axis=(1, 2, 3)) >= 0).all()
    assert (found.max(axis=(1, 2, 3)) <= SIZE - 1).all(), "no black border"


def test_a_crop_shows_a_part_of_the_photo_and_no_more_than_the_photo():
    ramp = np.broadcast_to(np.arange(SIZE, dtype=np.float32)[:, None, None], PHOTOS.shape)
    found = changed(Augmentation(False, 0.0, 0.3, 0.0), ramp)
    heights = found[:, -1, 0, 0] - found[:, 0, 0, 0]
    assert (heights <= SIZE - 1 + 1e-3).all()
    assert heights.min() > 0.65 * (SIZE - 1) - 1
    assert heights.min() < 0.8 * SIZE < heights.max()


def test_colours_change_within_the_range_of_a_photo():
    found = changed(Augmentation(False, 0.0, 0.0, 0.3))
    assert found.min() >= 0
    assert found.max() <= 255
    means = found.mean(axis=(1, 2, 3)) - PHOTOS.mean(axis=(1, 2, 3))
    assert means.std() > 10
    assert np.abs(means).max() <= 0.3 * 255 * 1.3 + 10


def test_saturations_change_by_no_more_than_the_share():
    """Of one colour contrast changes nothing, and brightness no difference of its channels."""
    found = changed(Augmentation(False, 0.0, 0.0, 0.3), FLAT)
    factors = np.ptp(found, axis=(1, 2, 3)) / np.ptp(COLOUR)
    assert 0.699 < factors.min() < 0.8
    assert 1.2 < factors.max() < 1.301


def test_each_call_draws_anew_and_a_seed_gives_the_same_again():
    network = make_augmentation(Augmentation(), SIZE, 3)
    first, second = (np.asarray(network(PHOTOS, training=True)) for _ in range(2))
    assert (first != second).any(axis=(1, 2, 3)).mean() > 0.9
    assert (changed(Augmentation(), seed=3) == first).all()
    assert (changed(Augmentation(), seed=4) != first).any()


@pytest.mark.parametrize(("settings", "training"), [(Augmentation(), False), (NONE, True)])
def test_nothing_changes_outside_of_training_or_where_nothing_is_wanted(settings, training):
    assert (changed(settings, training=training) == PHOTOS).all()
