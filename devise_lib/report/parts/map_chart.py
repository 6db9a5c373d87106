"""The map of photos and labels as shapes at places, which the template draws as inline SVG."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devise_lib.report.content import MapPoints
from devise_lib.report.drawing import COLOURS, plain
from devise_lib.report.pca_plane import Box, fit_plane, place_names

WIDTH, HEIGHT = 1_000, 640  # of the drawing, in its own units
MARGIN = 28
MAX_POINTS = 400
MAX_NAMES = 60
NAME_SIZE = 15  # of the font, in the units of the drawing
GAP = 10  # between a point and its name
OUTLIERS = 0.01  # the share of points on each side that does not widen the frame
SHAPES = (  # a path around (0, 0) for each colour, so that colour alone tells nothing
    "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0z",
    "M-5.5-5.5h11v11h-11z",
    "M0-7.5L7.5 0L0 7.5L-7.5 0z",
    "M0-7L7 5.5H-7z",
    "M0 7L7-5.5H-7z",
    "M-2.2-6.5h4.4v4.3h4.3v4.4h-4.3v4.3h-4.4v-4.3h-4.3v-4.4h4.3z",
    "M-7 0L-3.5-6h7L7 0L3.5 6h-7z",
    "M0-7.5L2-2.2L7.3-2.2L3 1.2L4.6 6.6L0 3.4L-4.6 6.6L-3 1.2L-7.3-2.2L-2-2.2z",
)


@dataclass(frozen=True, slots=True)
class PhotoPoint:
    """A photo on the map. `colour` counts from 0; -1 is the grey of labels without a colour."""

    photo_id: str
    label: str
    colour: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class LabelPoint:
    """A label on the map.

    Attributes:
        text_x, text_y: where its name starts, or ends, or has its middle, on the baseline.
        anchor: which of the three, as SVG names it: start, end or middle.
    """

    name: str
    seen: bool
    colour: int
    x: float
    y: float
    text_x: float
    text_y: float
    anchor: str


@dataclass(frozen=True, slots=True)
class MapChart:
    """The map.

    Attributes:
        photos: at most MAX_POINTS.
        labels: those whose name has room.
        coloured: the names of the coloured labels, in the order of the colours.
        share: the share of the variance of the labels that lies in the plane, in [0, 1].
    """

    photos: Sequence[PhotoPoint]
    labels: Sequence[LabelPoint]
    coloured: Sequence[str]
    share: float


def lay_out_map(points: MapPoints) -> MapChart | None:
    """Place photos and labels on a plane; None if there are fewer than 3 labels, or no photos.

    The plane is that of the first two principal components of the coloured labels, or of all labels
    if fewer than 3 have a colour. The labels with the most photos have the colours. Photos far
    outside are moved to the edge, and labels outside are left out.
    """
    if len(points.vectors) < 3 or points.vectors.shape[1] < 2 or not len(points.embeddings):
        return None
    counts = Counter(label for label in points.photo_labels if label)
    coloured = [name for name, _ in counts.most_common(len(COLOURS))]
    of_colour = np.isin(np.array(points.names, dtype=object), coloured)
    plane = fit_plane(points.vectors[of_colour] if of_colour.sum() > 2 else points.vectors)
    photos = plane.project(points.embeddings[:MAX_POINTS])
    labels = plane.project(points.vectors)
    frame = _frame(np.concatenate([photos, labels[of_colour]]))
    return MapChart(
        _photo_points(points, _to_drawing(photos, frame), coloured),
        _label_points(points, _to_drawing(labels, frame), coloured, [*counts]),
        coloured,
        plane.share,
    )


def _frame(places: NDArray[np.float64]) -> Box:
    """The box of the places without the outliers; it is never empty."""
    low, high = np.quantile(places, [OUTLIERS, 1 - OUTLIERS], axis=0)
    widths = np.where(high > low, high - low, 1.0)
    return float(low[0]), float(low[1]), float(low[0] + widths[0]), float(low[1] + widths[1])


def _to_drawing(places: NDArray[np.float64], frame: Box) -> NDArray[np.float64]:
    """Scale places (n, 2) to the drawing, whose y grows downwards; outliers stay outside."""
    left, low, right, top = frame
    shares = (places - [left, low]) / [right - left, top - low]
    inner = np.array([WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN])
    return MARGIN + np.stack([shares[:, 0], 1 - shares[:, 1]], axis=1) * inner


def _photo_points(
    points: MapPoints, places: NDArray[np.float64], coloured: Sequence[str]
) -> list[PhotoPoint]:
    inside = np.clip(places, MARGIN / 2, [WIDTH - MARGIN / 2, HEIGHT - MARGIN / 2])
    ids = points.photo_ids or [""] * len(inside)
    return [
        PhotoPoint(photo_id, label, _colour(label, coloured), round(x, 1), round(y, 1))
        for photo_id, label, (x, y) in zip(
            ids[:MAX_POINTS], points.photo_labels[:MAX_POINTS], inside.tolist(), strict=True
        )
    ]


def _label_points(
    points: MapPoints,
    places: NDArray[np.float64],
    coloured: Sequence[str],
    of_photos: Sequence[str],
) -> list[LabelPoint]:
    inside = np.all((places > 0) & (places < [WIDTH, HEIGHT]), axis=1)
    rows = _choose_labels(points, inside, [*coloured, *of_photos])
    if not rows:
        return []
    names = [plain(points.names[row]) for row in rows]
    sizes = np.array([(0.6 * len(name), 1.25) for name in names]) * float(NAME_SIZE)
    boxes = place_names(places[rows], sizes, (0, 0, WIDTH, HEIGHT), gap=GAP)
    found = []
    for row, name, box in zip(rows, names, boxes, strict=True):
        if box is not None:
            x, y = (round(float(number), 1) for number in places[row])
            colour = _colour(points.names[row], coloured)
            anchor, text_x = _anchor(box, x)
            baseline = round(box[1] + 0.95 * NAME_SIZE, 1)
            seen = points.seen[row]
            found.append(LabelPoint(name, seen, colour, x, y, round(text_x, 1), baseline, anchor))
    return found


def _anchor(box: Box, x: float) -> tuple[str, float]:
    """The alignment and x of a name, so that it stays beside its point.

    The width of a box is a guess, because the reader's font is unknown.
    """
    if box[0] >= x:
        return "start", box[0]
    return ("end", box[2]) if box[2] <= x else ("middle", (box[0] + box[2]) / 2)


def _choose_labels(points: MapPoints, inside: NDArray[np.bool_], first: Sequence[str]) -> list[int]:
    """Choose at most MAX_NAMES labels inside: those of photos, then others at even steps."""
    row_of = {name: row for row, name in enumerate(points.names)}
    wanted = [row_of[name] for name in first if name in row_of and inside[row_of[name]]]
    rest = np.flatnonzero(inside)
    steps = np.linspace(0, max(len(rest) - 1, 0), min(MAX_NAMES, len(rest)))
    return list(dict.fromkeys([*wanted, *rest[np.round(steps).astype(int)].tolist()]))[:MAX_NAMES]


def _colour(label: str, coloured: Sequence[str]) -> int:
    return coloured.index(label) if label in coloured else -1
