import xml.etree.ElementTree as ET

import numpy as np
import pytest

from devise_lib.report.content import MapPoints
from devise_lib.report.pca_plane import fit_plane
from devise_lib.report.plots import MAX_NAMES, draw_map, draw_recall


def texts(svg: bytes) -> list[str]:
    return ["".join(e.itertext()) for e in ET.fromstring(svg).iter() if e.tag.endswith("text")]


def make_points(m: int, photo_labels: list[str], names: list[str] | None = None) -> MapPoints:
    rng = np.random.default_rng(0)
    return MapPoints(
        names=names or [f"label {i}" for i in range(m)],
        seen=[i % 2 == 0 for i in range(m)],
        vectors=rng.normal(size=(m, 5)).astype(np.float32),
        photo_labels=photo_labels,
        embeddings=rng.normal(size=(len(photo_labels), 5)).astype(np.float32),
    )


def test_names_the_labels_of_the_photos_and_the_same_points_give_the_same_picture():
    points = make_points(12, ["label 3"] * 4 + ["label 8"] * 4)
    svg = draw_map(points, fit_plane(points.vectors))
    assert {"label 3", "label 8"} <= set(texts(svg))
    assert svg == draw_map(points, fit_plane(points.vectors))


def test_of_many_labels_only_some_are_named():
    points = make_points(500, ["label 499"])
    found = [text for text in texts(draw_map(points, fit_plane(points.vectors))) if "label" in text]
    assert "label 499" in found
    assert 20 < len(found) <= MAX_NAMES + 1  # and the legend


def test_names_from_outside_are_text_and_neither_markup_nor_formulas():
    names = ["<script>x</script>", "$\\frac{$", "a" * 99, "_\u72d7\nx"]
    points = make_points(4, names, names)
    found = texts(draw_map(points, fit_plane(points.vectors)))
    assert "<script>x</script>" in found
    assert found.count("$\\frac{$") == found.count("\u72d7 x") == 2  # on the map, in the legend
    assert max(map(len, found)) <= 28


CURVE = [(4_000.0, 0.6), (900.0, 0.96), (500.0, 0.7), (100.0, 1.0)]


@pytest.mark.parametrize("target", [0.95, 0.0])
def test_the_recall_plot_marks_the_chosen_settings_and_what_was_wanted(target):
    svg = draw_recall(CURVE, (1_234.0, 0.957), target, 10)
    found = texts(svg)
    assert "chosen: 95.7%, 1,234 queries/s" in found
    assert ("wanted: 95%" in found) == bool(target)
    assert {"queries per second", "recall@10"} <= set(found)
    assert svg == draw_recall(CURVE, (1_234.0, 0.957), target, 10)


def test_the_recall_plot_draws_a_single_point():
    assert "chosen: 100.0%, 7 queries/s" in texts(draw_recall([(7.0, 1.0)], (7.0, 1.0), 0.0, 1))
