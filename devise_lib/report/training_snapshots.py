"""Maps of the same photos at several epochs of a training of the projection."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from devise_lib.report.content import MapPoints
from devise_lib.report.drawing import COLOURS, FAINT, SOFT, style, to_svg
from devise_lib.report.pca_plane import Plane
from devise_lib.report.plots import draw_labels, draw_photos

COLUMNS = 3
SIDE = 3.4  # inches of a panel
MANY_LABELS = 2_000
GREY = "#a3b0b8"  # of the labels whose photos are not shown


def draw_snapshots(steps: Mapping[int, MapPoints], plane: Plane) -> bytes:
    """Draw one map per epoch, all in the same plane and at the same scale.

    Args:
        steps: labels and photos by epoch; epoch 0 is the start. The labels and the photos are the
            same at every epoch, only the embeddings change. As many labels of photos are drawn as
            there are colours.
        plane: of the label vectors, which do not move while the photos do.
    """
    rows = -(-len(steps) // COLUMNS)
    columns = min(COLUMNS, len(steps))
    with style():
        figure = Figure(figsize=(SIDE * columns, SIDE * rows + 0.7), layout="constrained")
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axes in grid[len(steps) :]:
            axes.set_axis_off()
        for axes, (epoch, points) in zip(grid, steps.items(), strict=False):
            shown = list(dict.fromkeys(points.photo_labels))[: len(COLOURS)]
            photos = plane.project(points.embeddings)
            draw_photos(axes, photos, points.photo_labels, shown, size=12.0)
            labels = plane.project(points.vectors)
            # Drawn as pixels, because 20,000 labels as shapes would take 2 MB per panel.
            size = 4 if len(labels) < MANY_LABELS else 1  # so that many labels hide no photo
            axes.plot(*labels.T, color=GREY, marker=".", ms=size, ls="", zorder=0, rasterized=True)
            of_photos = [row for row, name in enumerate(points.names) if name in shown]
            draw_labels(axes, labels, points, of_photos, shown)
            axes.set_title("start" if epoch == 0 else f"epoch {epoch}", size=10, color=SOFT)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color(FAINT)
        handles = grid[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False, markerscale=2)
        return to_svg(figure)
