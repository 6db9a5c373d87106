import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.report.content import MapPoints
from devise_lib.report.drawing import COLOURS
from devise_lib.report.parts.map_chart import (
    HEIGHT,
    MAX_NAMES,
    MAX_POINTS,
    NAME_SIZE,
    SHAPES,
    WIDTH,
    lay_out_map,
)


def make_points(m: int, photo_labels: list[str], seed: int = 0) -> MapPoints:
    rng = np.random.default_rng(seed)
    return MapPoints(
        names=[f"label {i}" for i in range(m)],
        seen=[i % 2 == 0 for i in range(m)],
        vectors=rng.normal(size=(m, 5)).astype(np.float32),
        photo_labels=photo_labels,
        embeddings=rng.normal(size=(len(photo_labels), 5)).astype(np.float32),
        photo_ids=[f"p{i}" for i in range(len(photo_labels))],
    )


@given(st.integers(0, 1_000), st.integers(3, 90), st.integers(1, 450), st.integers(1, 20))
def test_photos_and_names_stay_inside_and_are_bounded(seed, m, n, kinds):
    chart = lay_out_map(make_points(m, [f"label {i % kinds}" for i in range(n)], seed))
    assert chart is not None
    assert [photo.photo_id for photo in chart.photos] == [
        f"p{i}" for i in range(min(n, MAX_POINTS))
    ]
    assert len(chart.labels) <= MAX_NAMES
    for point in (*chart.photos, *chart.labels):
        assert 0 <= point.x <= WIDTH
        assert 0 <= point.y <= HEIGHT
        assert -1 <= point.colour < len(COLOURS) == len(SHAPES)
    for label in chart.labels:
        assert 0 <= label.text_x <= WIDTH
        assert 0 <= label.text_y <= HEIGHT + NAME_SIZE
        side = {"start": label.text_x >= label.x, "end": label.text_x <= label.x, "middle": True}
        assert side[label.anchor]
    assert lay_out_map(make_points(m, [f"label {i % kinds}" for i in range(n)], seed)) == chart


def test_labels_with_most_photos_have_the_colours_and_photos_without_a_label_none():
    labels = [f"label {i}" for i in range(12) for _ in range(2 if i >= 4 else 1)] + [""] * 30
    chart = lay_out_map(make_points(12, labels))
    assert chart is not None
    assert chart.coloured == [f"label {i}" for i in range(4, 12)]
    colours = {photo.label: photo.colour for photo in chart.photos}
    assert colours == {f"label {i}": i - 4 if i >= 4 else -1 for i in range(12)} | {"": -1}


def test_what_is_near_in_the_plane_is_near_on_the_map():
    points = make_points(3, ["label 0", "label 1", "label 2"])
    points.embeddings[:] = points.vectors
    chart = lay_out_map(points)
    assert chart is not None
    at = {label.name: (label.x, label.y) for label in chart.labels}
    for photo in chart.photos:
        if photo.label in at:  # the outermost photos are moved to the edge
            assert np.hypot(photo.x - at[photo.label][0], photo.y - at[photo.label][1]) < 20


def test_two_labels_or_no_photo_make_no_map():
    assert lay_out_map(make_points(2, ["label 0"])) is None
    assert lay_out_map(make_points(5, [])) is None


def test_photos_at_one_place_are_on_the_map():
    points = make_points(3, ["x", "y"])
    points.vectors[:] = 1.0
    points.embeddings[:] = 1.0
    chart = lay_out_map(points)
    assert chart is not None
    assert all(np.isfinite([photo.x, photo.y]).all() for photo in chart.photos)
