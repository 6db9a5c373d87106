"""SVG plots of a training by epoch, of hit@k by k, and of seen against unseen accuracy."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from devise_lib.report.content import Measurement
from devise_lib.report.drawing import ACCENT, COLOURS, SOFT, WARM, bare, plain, style, to_svg
from devise_lib.report.figures import HitTable, hit_tables, name_of, unseen_tables
from devise_lib.report.generalized import Curve, stacking_curves

PANEL = (5.4, 3.6)  # inches
# The methods that are drawn if they were measured: few enough to tell the lines apart.
DRAWN = ("devise", "classifier_ridge", "ridge", "ridge_reversed", "eszsl", "conse")
CONTROLS = ("random_embeddings", "chance")  # drawn in grey
LOOKS = {name: (colour, "-", 1.8) for name, colour in zip(DRAWN, COLOURS, strict=False)}
LOOKS |= {name: (SOFT, dashes, 1.3) for name, dashes in zip(CONTROLS, ("--", ":"), strict=True)}


def evaluation_plots(metrics: Sequence[Measurement]) -> dict[str, bytes]:
    """The plots that METRICS has figures for, by file name."""
    plots = {}
    if of_unseen := unseen_tables(hit_tables(metrics)):
        plots["hits.svg"] = draw_hits(of_unseen)
    if curves := stacking_curves(metrics):
        plots["stacking.svg"] = draw_stacking(curves)
    return plots


def draw_losses(curves: Mapping[str, Sequence[float]]) -> bytes:
    """Draw the mean loss of each epoch, one line per training.

    Args:
        curves: losses from the first epoch on, by the name of the training.
    """
    with style():
        figure = Figure(figsize=PANEL, layout="constrained")
        axes = figure.add_subplot()
        for (name, losses), colour in zip(curves.items(), cycle(COLOURS), strict=False):
            epochs = range(1, len(losses) + 1)
            axes.plot(epochs, losses, color=colour, marker="o", ms=3, lw=1.8, label=plain(name))
        _finish(axes, "epoch", "mean loss")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(bottom=0.0)
        return to_svg(figure)


def draw_scores(alone: Sequence[float], harmonic: Sequence[float], chosen: int) -> bytes:
    """Draw the accuracy on held-out labels after each epoch of a trial.

    Args:
        alone: per-class accuracy among the held-out labels. Epoch 0 is the start.
        harmonic: harmonic mean of the per-class accuracies on held-out and on trained labels.
        chosen: the epoch whose projection was chosen.
    """
    with style():
        figure = Figure(figsize=PANEL, layout="constrained")
        axes = figure.add_subplot()
        both = {"among the labels held out": (alone, ACCENT), "harmonic mean": (harmonic, WARM)}
        for name, (values, colour) in both.items():
            axes.plot(
                range(len(values)), values, color=colour, marker="o", ms=3, lw=1.8, label=name
            )
        axes.axvline(chosen, color=SOFT, lw=1, ls=(0, (4, 3)), zorder=0, label=f"chosen: {chosen}")
        _finish(axes, "epoch", "validation score")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(_per_cent)
        return to_svg(figure)


def draw_hits(tables: Sequence[HitTable]) -> bytes:
    """Draw flat hit@k by k for the main methods, one panel per table. Controls are grey.

    Args:
        tables: at least one.
    """
    with style():
        figure, panels = _panels(len(tables))
        for axes, table in zip(panels, tables, strict=True):
            _draw_table(axes, table)
            _finish(axes, "k", "flat hit@k", legend=False)
            axes.set_title(f"{plain(table.photo_set)}\n{table.candidates}", size=10, loc="left")
            axes.set_ylim(0.0, 1.0)
            axes.yaxis.set_major_formatter(_per_cent)
        _legend_below(figure, panels)
        return to_svg(figure)


def draw_stacking(curves: Mapping[str, Mapping[str, Curve]]) -> bytes:
    """Draw seen against unseen accuracy as the penalty on seen labels grows.

    Each set of photos has a panel. Only the main methods are drawn.

    Args:
        curves: by set of photos and method; at least one set.
    """
    with style():
        figure, panels = _panels(len(curves))
        for axes, (photo_set, of_set) in zip(panels, curves.items(), strict=True):
            for method, (colour, dashes, width) in LOOKS.items():
                if curve := of_set.get(method):
                    unseen, seen = zip(*curve, strict=True)
                    label = name_of(method)
                    axes.plot(unseen, seen, color=colour, ls=dashes, lw=width, label=label)
            _finish(axes, "top-1 of unseen labels", "top-1 of seen labels", legend=False)
            axes.set_title(plain(photo_set), size=10, loc="left")
            axes.set(xlim=(0.0, None), ylim=(0.0, None))
            axes.xaxis.set_major_formatter(_per_cent)
            axes.yaxis.set_major_formatter(_per_cent)
        _legend_below(figure, panels)
        return to_svg(figure)


def _panels(count: int) -> tuple[Figure, Sequence[Axes]]:
    """A figure with this many panels side by side, and room for a legend below them."""
    width, height = PANEL
    figure = Figure(figsize=(width * count, height + 0.6), layout="constrained")
    return figure, figure.subplots(1, count, squeeze=False)[0]


def _per_cent(share: float, _: float) -> str:
    return f"{100 * share:g}%"


def _legend_below(figure: Figure, panels: Iterable[Axes]) -> None:
    """Add one legend for all panels, with each line once."""
    lines = {str(line.get_label()): line for axes in panels for line in axes.get_lines()}
    columns = min(4, 2 * len(figure.axes))  # More would be wider than a single panel.
    figure.legend(
        list(lines.values()), list(lines), loc="outside lower center", ncols=columns, frameon=False
    )


def _draw_table(axes: Axes, table: HitTable) -> None:
    rows = {row.method: row for row in table.rows}
    for name, (colour, dashes, width) in LOOKS.items():
        if row := rows.get(name):
            points = [(k, v) for k, v in zip(table.ks, row.values, strict=True) if v is not None]
            ks, values = zip(*points, strict=True)
            axes.plot(
                ks, values, color=colour, ls=dashes, lw=width, marker="o", ms=3, label=row.name
            )
    axes.set_xscale("log", base=2)
    axes.set_xticks(table.ks, [str(k) for k in table.ks], minor=False)


def _finish(axes: Axes, x: str, y: str, legend: bool = True) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    bare(axes)
    if legend:
        axes.legend(frameon=False)
