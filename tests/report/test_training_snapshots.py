import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from devise_lib.report.content import MapPoints
from devise_lib.report.pca_plane import fit_plane
from devise_lib.report.training_snapshots import draw_snapshots

RNG = np.random.default_rng(0)
POINTS = MapPoints(
    names=[f"label {i}" for i in range(5)],
    seen=[True, True, True, False, False],
    vectors=RNG.normal(size=(5, 6)).astype(np.float32),
    photo_labels=["label 1"] * 3 + ["label 4"] * 3,
    embeddings=RNG.normal(size=(6, 6)).astype(np.float32),
)
PLANE = fit_plane(POINTS.vectors)


def draw(steps: dict[int, float]) -> ET.Element:
    """A panel for each epoch, the photos scaled by its number."""
    points = {
        epoch: replace(POINTS, embeddings=POINTS.embeddings * np.float32(scale))
        for epoch, scale in steps.items()
    }
    return ET.fromstring(draw_snapshots(points, PLANE))


def groups(svg: ET.Element, name: str) -> list[ET.Element]:
    return [e for e in svg.iter() if re.fullmatch(rf"{name}_\d+", e.get("id", ""))]


def places(panel: ET.Element) -> list[tuple[float, float]]:
    """Where the photos of a panel are drawn, pixels."""
    photos = [e for group in groups(panel, "PathCollection") for e in group.iter()]
    return [(float(e.get("x")), float(e.get("y"))) for e in photos if e.tag.endswith("use")]


def texts(svg: ET.Element) -> list[str]:
    return ["".join(e.itertext()) for e in svg.iter() if e.tag.endswith("text")]


@pytest.mark.parametrize("epochs", [[0], [0, 1, 4], [0, 1, 4, 8, 11, 15]])
def test_there_is_a_panel_for_every_epoch_with_every_photo(epochs):
    svg = draw(dict.fromkeys(epochs, 1.0))
    assert [t for t in texts(svg) if t.startswith(("start", "epoch"))] == [
        "start" if epoch == 0 else f"epoch {epoch}" for epoch in epochs
    ]
    panels = [panel for panel in groups(svg, "axes") if places(panel)]
    assert [len(places(panel)) for panel in panels] == [6] * len(epochs)


def test_the_photos_labels_are_named_once_for_all_panels():
    found = texts(draw({0: 1.0, 5: 1.0}))
    assert found.count("label 1") == found.count("label 4") == 1
    assert "label 0" not in found


def test_panels_have_one_scale_so_that_what_moves_is_the_photos():
    """Photos twice as far from the plane's origin are drawn twice as far apart."""
    one, two = (np.array(places(p)) for p in groups(draw({0: 1.0, 3: 2.0}), "axes"))
    spread = [np.ptp(panel, axis=0) for panel in (one, two)]
    np.testing.assert_allclose(spread[1], 2 * spread[0], rtol=1e-3)


def test_many_labels_take_few_bytes():
    """All labels are in the background of every panel, as pixels."""
    vectors = RNG.normal(size=(20_000, 6)).astype(np.float32)
    names, seen = [f"label {i}" for i in range(len(vectors))], [True] * len(vectors)
    many = replace(POINTS, names=names, seen=seen, vectors=vectors)
    svg = draw_snapshots({0: many, 1: many}, PLANE)
    assert svg.count(b"data:image/png") == 2
    assert len(svg) < 150_000
