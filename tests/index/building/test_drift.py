from dataclasses import replace

import numpy as np
import pytest

from devise_lib.index.building.drift import Due, measure_drift, what_is_due
from devise_lib.index.reader import SearchIndex
from devise_lib.index.settings import SearchSettings
from tests.index.built import build_bundle, manifest_of, segment_of

FITS = {
    "added_share": 0.1,
    "removed_share": 0.0,
    "imbalance": 1.2,
    "imbalance_ratio": 1.0,
    "residual_ratio": 1.0,
    "fresh_recall": 0.9,
    "fresh_recall_high": 0.91,
}
NOTHING = Due("", "")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A bundle of two segments, of which some rows are removed."""
    folder = tmp_path_factory.mktemp("drift") / "bundle"
    return build_bundle(folder, "IVF8,Flat", (120, 80), (3, 130), settings=SearchSettings(1))


def test_the_figures_are_those_of_the_segments(built):
    index = SearchIndex.open(built.folder)
    drift = measure_drift(index, built.ids[140:200], built.vectors[140:200], 5)
    lists = [np.load(built.folder / part / "lists.npy") for part in ("base", "delta-000001")]
    shares = np.bincount(np.concatenate(lists), minlength=8) / 200
    assert drift["added_share"] == pytest.approx(80 / 200)
    assert drift["removed_share"] == pytest.approx(2 / 200)
    assert drift["imbalance"] == pytest.approx(8 * np.sum(shares**2))
    assert drift["imbalance_ratio"] == pytest.approx(drift["imbalance"] / 1.2)
    assert drift["residual_ratio"] == 1.0


def test_fresh_recall_is_that_of_the_promised_settings_against_more_lists(built, monkeypatch):
    index = SearchIndex.open(built.folder)
    rows = list(range(140, 200))
    drift = measure_drift(index, [built.ids[row] for row in rows], built.vectors[rows], 20)
    shares = []
    for row in rows:
        found, exact = (
            [r for r in index.search(built.vectors[row][None], 21, settings).rows[0] if r != row]
            for settings in (SearchSettings(1), SearchSettings(8))
        )
        shares.append(len({*found} & {*exact}) / 20)
    assert drift["fresh_recall"] == pytest.approx(np.mean(shares))
    half = 1.96 * np.std(shares, ddof=1) / 60**0.5
    assert drift["fresh_recall_high"] == pytest.approx(np.mean(shares) + half)
    assert 0.3 < drift["fresh_recall"] < 1
    opened = []
    monkeypatch.setattr(index, "reopen", lambda: opened.append(1))
    bounded = measure_drift(index, [built.ids[row] for row in rows], built.vectors[rows], 20, 1)
    assert bounded["fresh_recall"] == pytest.approx(drift["fresh_recall"])
    assert len(opened) == len(rows)  # one by one, and pages are given back


@pytest.mark.parametrize("count", [0, 49])
def test_a_few_fresh_photos_say_nothing_of_their_recall(built, count):
    some = slice(130, 130 + count)
    drift = measure_drift(SearchIndex.open(built.folder), built.ids[some], built.vectors[some], 5)
    assert "fresh_recall" not in drift
    assert what_is_due(built.manifest, drift | {"imbalance_ratio": 1.0}) == NOTHING


def test_vectors_far_from_all_centroids_have_a_large_residual(tmp_path):
    """All deltas count, by their rows; a small one alone does not."""
    built = build_bundle(tmp_path / "b", sizes=(60, 40, 20))
    base, *deltas = built.manifest.segments
    far = tuple(replace(d, residuals=(r,)) for d, r in zip(deltas, (0.6, 0.3), strict=True))
    for segments, ratio in (((base, *far), (40 * 0.6 + 20 * 0.3) / 60 / 0.3), ((base, far[0]), 1)):
        n = sum(segment.rows for segment in segments)
        manifest = replace(built.manifest, segments=segments, n=n)
        drift = measure_drift(SearchIndex(built.folder, manifest), [], built.vectors[:0], 5)
        assert drift["residual_ratio"] == pytest.approx(ratio)


def test_what_was_folded_still_counts_as_added(built):
    base = built.manifest.segments[0]
    folded = replace(base, rows=200, sections=(0, 120, 150), residuals=(0.2, 0.3, 0.4))
    manifest = replace(built.manifest, segments=(folded,))
    drift = measure_drift(SearchIndex(built.folder, manifest), [], built.vectors[:0], 5)
    assert drift["residual_ratio"] == pytest.approx((30 * 0.3 + 50 * 0.4) / 80 / 0.2)


def test_an_index_that_fits_needs_nothing():
    assert what_is_due(manifest_of(recall_target=0.9), FITS) == NOTHING


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"fresh_recall": 0.87, "fresh_recall_high": 0.879},
            "fresh photos have recall 0.870, 0.9 is wanted",
        ),
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
    low, high = ({"fresh_recall": 0.95, "fresh_recall_high": each} for each in (0.959, 0.961))
    assert what_is_due(manifest, {**FITS, **high}) == NOTHING  # it may be chance
    assert "0.98 is wanted" in what_is_due(manifest, {**FITS, **low}).reason


def test_many_deltas_or_removed_rows_are_to_be_folded():
    segments = [segment_of("base", 0, 20), *(segment_of(f"d{i}", 20 + i, 1) for i in range(9))]
    many = manifest_of(segments=tuple(segments))
    assert what_is_due(many, FITS) == Due("compact", "it has 9 deltas and 0% removed rows")
    assert what_is_due(manifest_of(segments=tuple(segments[:9])), FITS) == NOTHING
    due = what_is_due(manifest_of(), {**FITS, "removed_share": 0.2})
    assert due == Due("compact", "it has 0 deltas and 20% removed rows")
