"""The recall plot of the index, and what maps of labels and photos share, as SVG."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from devise_lib.report.content import MapPoints
from devise_lib.report.drawing import (
    ACCENT,
    COLOURS,
    MARKERS,
    SOFT,
    WARM,
    bare,
    plain,
    style,
    to_svg,
)


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
        is_narrow = max(speeds) < 5 * min(speeds)  # it may have a single power of ten
        axes.xaxis.set_major_locator(MaxNLocator(5) if is_narrow else LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(lambda speed, _: f"{speed:,.0f}")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_ylim(min([*(recall for _, recall in best), chosen[1], 0.9]) - 0.05, 1.01)
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
