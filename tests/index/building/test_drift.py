from dataclasses import replace

import numpy as np
import pytest

from devise_lib.index.building.drift import Due, measure_drift, what_is_due
from devise_lib.index.reader import SearchIndex
from devise_lib.index.settings import SearchSettings
from devise_lib.numerics.vectors import l2_normalize
from tests.index.built import build_bundle, manifest_of, segment_of

FITS = {
    "added_share": 0.1,
    "removed_share": 0.0,
    "imbalance": 1.2,
    "imbalance_ratio": 1.0,
    "residual_ratio": 1.0,
    "fresh_recall": 0.9,
}
NOTHING = Due("", "")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A bundle of two segments, of which some rows are removed."""
    folder = tmp_path_factory.mktemp("drift") / "bundle"
    return build_bundle(folder, "IVF8,Flat", (120, 40), (3, 130), settings=SearchSettings(1))


def test_the_figures_are_those_of_the_segments(built):
    index = SearchIndex.open(built.folder)
    drift = measure_drift(index, built.ids[140:160], built.vectors[140:160], 5)
    lists = [np.load(built.folder / part / "lists.npy") for part in ("base", "delta-000001")]
    shares = np.bincount(np.concatenate(lists), minlength=8) / 160
    assert drift["added_share"] == pytest.approx(40 / 160)
    assert drift["removed_share"] == pytest.approx(2 / 160)
    assert drift["imbalance"] == pytest.approx(8 * np.sum(shares**2))
    assert drift["imbalance_ratio"] == pytest.approx(drift["imbalance"] / 1.2)
    assert drift["residual_ratio"] == 1.0


def test_fresh_recall_is_that_of_the_promised_settings_against_more_lists(built):
    index = SearchIndex.open(built.folder)
    rows = list(range(140, 160))
    drift = measure_drift(index, [built.ids[row] for row in rows], built.vectors[rows], 12)
    shares = []
    for row in rows:
        found, exact = (
            [r for r in index.search(built.vectors[row][None], 13, settings).rows[0] if r != row]
            for settings in (SearchSettings(1), SearchSettings(8))
        )
        shares.append(len({*found} & {*exact}) / 12)
    assert drift["fresh_recall"] == pytest.approx(np.mean(shares))
    assert 0.3 < drift["fresh_recall"] < 1
    bounded = measure_drift(index, [built.ids[row] for row in rows], built.vectors[rows], 12, 1)
    assert bounded["fresh_recall"] == pytest.approx(drift["fresh_recall"])  # one by one


def test_without_fresh_photos_there_is_no_fresh_recall(built):
    drift = measure_drift(SearchIndex.open(built.folder), [], built.vectors[:0], 5)
    assert "fresh_recall" not in drift
    assert what_is_due(built.manifest, drift | {"imbalance_ratio": 1.0}) == NOTHING


def test_vectors_far_from_all_centroids_have_a_large_residual(tmp_path):
    built = build_bundle(tmp_path / "b", sizes=(60, 20))
    base, delta = built.manifest.segments
    manifest = replace(built.manifest, segments=(base, replace(delta, residual=0.6)))
    index = SearchIndex(built.folder, manifest)
    strange = l2_normalize(np.ones((1, 16), np.float32))
    assert measure_drift(index, built.ids[70:71], strange, 5)["residual_ratio"] == 2.0


def test_an_index_that_fits_needs_nothing():
    assert what_is_due(manifest_of(recall_target=0.9), FITS) == NOTHING


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fresh_recall": 0.87}, "fresh photos have recall 0.870, 0.9 is wanted"),
        ({"imbalance_ratio": 1.6}, "the lists are 1.6 times as unequal"),
        ({"residual_ratio": 1.2}, "fresh photos lie 1.20 times as far from centroids"),
    ],
)
def test_an_index_that_does_not_fit_is_to_be_trained_anew(changes, message):
    # Training anew folds as well, so it comes first.
    changes = {**FITS, **changes, "removed_share": 0.2}
    assert what_is_due(manifest_of(recall_target=0.9), changes) == Due("rebuild", message)


def test_without_a_promise_the_measured_recall_is_wanted():
    manifest = manifest_of(recall_target=0.0)
    assert what_is_due(manifest, {**FITS, "fresh_recall": 0.97}) == NOTHING
    assert "0.98 is wanted" in what_is_due(manifest, {**FITS, "fresh_recall": 0.95}).reason


def test_many_deltas_or_removed_rows_are_to_be_folded():
    segments = [segment_of("base", 0, 20), *(segment_of(f"d{i}", 20 + i, 1) for i in range(9))]
    many = manifest_of(segments=tuple(segments))
    assert what_is_due(many, FITS) == Due("compact", "it has 9 deltas and 0% removed rows")
    assert what_is_due(manifest_of(segments=tuple(segments[:9])), FITS) == NOTHING
    due = what_is_due(manifest_of(), {**FITS, "removed_share": 0.2})
    assert due == Due("compact", "it has 0 deltas and 20% removed rows")
