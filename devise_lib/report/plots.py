"""The map of labels and photos and the recall plot of the index, as SVG."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from devise_lib.report.content import MapPoints
from devise_lib.report.drawing import (
    ACCENT,
    COLOURS,
    INK,
    MARKERS,
    SOFT,
    WARM,
    bare,
    plain,
    style,
    to_svg,
)
from devise_lib.report.pca_plane import Box, Plane, place_names

MAX_NAMES = 60
NAME_SIZE = 9.0  # points


def draw_map(points: MapPoints, plane: Plane) -> bytes:
    """Draw labels as named circles, hollow if unseen, and photos in the colour of their label.

    A name without room is left out. The labels of the photos get their names first.
    """
    with style():
        figure = Figure(figsize=(10.4, 7.2))
        axes = figure.add_axes((0.015, 0.10, 0.97, 0.885))
        axes.set_axis_off()
        shown = list(dict.fromkeys(points.photo_labels))[: len(COLOURS)]
        labels, photos = plane.project(points.vectors), plane.project(points.embeddings)
        draw_photos(axes, photos, points.photo_labels, shown)
        chosen = _choose_names(points, shown)
        draw_labels(axes, labels, points, chosen, shown)
        axes.margins(x=0.08, y=0.04)
        figure.draw_without_rendering()  # fixes the limits, which placing the names needs
        _draw_names(axes, labels, points, chosen, shown)
        if shown:
            below = (0.5, 0.0)
            axes.legend(loc="upper center", bbox_to_anchor=below, ncols=4, frameon=False)
        return to_svg(figure)


def draw_recall(
    curve: Sequence[tuple[float, float]], chosen: tuple[float, float], target: float, k: int
) -> bytes:
    """Draw the recall of an index by its speed, and mark the chosen search settings.

    Args:
        curve: (queries per second, recall) of each measured point; one of 0 queries per second,
            which a single photo has, is not drawn.
        chosen: the same of the chosen settings.
        target: the wanted recall; 0 for none.
        k: the number of results that the recall counts.
    """
    with style():
        figure = Figure(figsize=(6.4, 3.5), layout="constrained")
        axes = figure.add_subplot()
        curve = [point for point in (*curve, chosen) if point[0]] or [(1.0, 1.0)]
        speeds, recalls = zip(*curve, strict=True)
        axes.plot(speeds, recalls, color=SOFT, marker="o", ms=3, ls="")
        best = _undominated(curve)
        axes.plot([s for s, _ in best], [r for _, r in best], color=ACCENT, marker="o", ms=4, lw=2)
        if target:
            axes.axhline(target, color=SOFT, lw=1, ls=(0, (4, 3)))
            axes.annotate(
                f"wanted: {target:.0%}",
                (min(speeds), target),
                xytext=(0, -5),
                textcoords="offset points",
                va="top",
                color=SOFT,
            )
        axes.plot(*([value] for value in chosen), color=WARM, marker="o", ms=9, ls="", zorder=3)
        axes.annotate(
            f"chosen: {chosen[1]:.1%}, {chosen[0]:,.0f} queries/s",
            chosen,
            xytext=(-8, -10),
            textcoords="offset points",
            ha="right",
            va="top",
            color=WARM,
            weight="bold",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )
        axes.set_xscale("log")
        axes.set_ylim(min([*recalls, 0.9]) - 0.05, 1.01)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set_xlabel("queries per second")
        axes.set_ylabel(f"recall@{k}")
        bare(axes)
        return to_svg(figure)


def _undominated(curve: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Returns the points than which none is both faster and of higher recall, by rising recall."""
    best: list[tuple[float, float]] = []
    for speed, recall in sorted(curve, reverse=True):
        if not best or recall > best[-1][1]:
            best.append((speed, recall))
    return best


def draw_photos(
    axes: Axes,
    photos: NDArray[np.float64],
    labels: Sequence[str],
    shown: Sequence[str],
    size: float = 26.0,
) -> None:
    """Draw the photos whose label is shown. Each label has its own colour and marker.

    Args:
        axes: where to draw.
        photos: (n, 2), the points of the photos.
        labels: the label of each photo.
        shown: the labels to draw, at most as many as there are colours.
        size: area of a marker in square points.
    """
    of = np.array(labels, dtype=object)
    for name, colour, marker in zip(shown, COLOURS, MARKERS, strict=False):
        x, y = photos[of == name].T
        axes.scatter(
            x, y, s=size, c=colour, marker=marker, alpha=0.5, linewidths=0, label=plain(name)
        )


def _choose_names(points: MapPoints, shown: Sequence[str]) -> list[int]:
    """Choose at most MAX_NAMES labels, by their rows.

    Labels of photos come first, then unseen labels, then labels at even steps.
    """
    rows = range(len(points.names))
    first = [row for row in rows if points.names[row] in set(shown)]
    unseen = [row for row in rows if not points.seen[row]]
    spread = np.linspace(0, len(points.names) - 1, min(MAX_NAMES, len(points.names)))
    even = np.round(spread).astype(int).tolist()
    return list(dict.fromkeys([*first, *unseen[: MAX_NAMES // 2], *even]))[:MAX_NAMES]


def draw_labels(
    axes: Axes,
    at: NDArray[np.float64],
    points: MapPoints,
    chosen: Sequence[int],
    shown: Sequence[str],
) -> None:
    """Draw the chosen labels as circles at their points (m, 2); unseen labels are hollow."""
    for row in chosen:
        name, seen = points.names[row], points.seen[row]
        colour = COLOURS[shown.index(name)] if name in shown else SOFT
        face = colour if seen else "white"
        size = 7 if name in shown else 4.5
        axes.plot(*at[row], marker="o", ms=size, mfc=face, mec=colour, mew=1.4, ls="")


def _draw_names(
    axes: Axes,
    at: NDArray[np.float64],
    points: MapPoints,
    chosen: Sequence[int],
    shown: Sequence[str],
) -> None:
    scale = (axes.figure.dpi or 72.0) / 72.0  # pixels per point
    pixels = axes.transData.transform(at[chosen])
    names = [plain(points.names[row]) for row in chosen]
    sizes = np.array([(0.6 * len(name), 1.25) for name in names]) * NAME_SIZE * scale
    left, low, right, top = axes.get_window_extent().extents
    boxes = place_names(pixels, sizes, (left, low, right, top), gap=7 * scale)
    for row, name, box in zip(chosen, names, boxes, strict=True):
        if box is None:
            continue
        of_photos = points.names[row] in shown
        side, anchor = _anchor(box, pixels[chosen.index(row)][0])
        x, y = axes.transData.inverted().transform((anchor, (box[1] + box[3]) / 2))
        axes.text(
            x,
            y,
            name,
            ha=side,
            va="center",
            size=NAME_SIZE,
            color=COLOURS[shown.index(points.names[row])] if of_photos else INK,
            weight="bold" if of_photos else "normal",
        )


def _anchor(box: Box, x: float) -> tuple[Literal["left", "center", "right"], float]:
    """The alignment and x of a text, so that it stays beside its point.

    The width of a box is a guess, because the reader's font is unknown.
    """
    if box[0] >= x:
        return "left", box[0]
    return ("right", box[2]) if box[2] <= x else ("center", (box[0] + box[2]) / 2)
