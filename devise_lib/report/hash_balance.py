"""The plot of the share of ones in each bit of a hash, and the hash tables that the page shows."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from devise_lib.report.drawing import ACCENT, INK, SOFT, WARM, bare, style, to_svg
from devise_lib.report.search_content import (
    HashSpread,
    HashTable,
)

MAX_TABLES = 16  # that the page shows
MAX_POINTS = 600  # of the plot, each of which takes 55 bytes
WIDTH = 0.7  # of the points of one bit, where 1 is the distance to the next bit


def fullest(tables: Sequence[HashTable]) -> list[HashTable]:
    """The tables to show, in their order: those where a photo is compared with the most photos."""
    most = min(MAX_TABLES, max(1, MAX_POINTS // len(tables[0].balance)))
    worst = sorted(tables, key=lambda table: -table.candidates)[:most]
    return sorted(worst, key=lambda table: table.number)


def uneven_bits(spread: HashSpread) -> int:
    """How many bits, of all tables, are the same for nearly all photos."""
    least = spread.least_balance
    return sum(min(one, 1 - one) < least for table in spread.tables for one in table.balance)


def draw_balance(spread: HashSpread) -> bytes:
    """Draw the share of ones in each bit of the shown tables, a point each, and its limits.

    The points of a bit stand side by side in the order of the tables. The bits that make the
    buckets are shaded. A bit that is the same for nearly all photos has another colour and shape.
    """
    shares = np.array([table.balance for table in fullest(spread.tables)], dtype=float)
    tables, bits = shares.shape
    places = (np.arange(tables) + 0.5) / tables - 0.5
    x = (np.arange(1, bits + 1) + WIDTH * places[:, None]).ravel()
    y = shares.ravel()
    uneven = np.minimum(y, 1 - y) < spread.least_balance
    with style():
        figure = Figure(figsize=(6.4, 3.2), layout="constrained")
        axes = figure.add_subplot()
        axes.axvspan(0.5, spread.bucket_bits + 0.5, color=ACCENT, alpha=0.07, lw=0)
        axes.axhline(0.5, color=INK, lw=1.2)
        for limit in (spread.least_balance, 1 - spread.least_balance):
            axes.axhline(limit, color=SOFT, lw=1, ls=(0, (4, 3)))
        for chosen, colour, marker in ((~uneven, ACCENT, "o"), (uneven, WARM, "D")):
            axes.plot(x[chosen], y[chosen], color=colour, marker=marker, ms=4, mew=0, ls="")
        axes.set_xlim(0.5, bits + 0.5)
        axes.set_ylim(-0.03, 1.03)
        axes.set_xticks(sorted({1, *range(max(1, bits // 6), bits + 1, max(1, bits // 6))}))
        axes.set_yticks([0.0, spread.least_balance, 0.5, 1 - spread.least_balance, 1.0])
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set_xlabel("bit of the code")
        axes.set_ylabel("photos whose bit is one")
        bare(axes)
        axes.grid(visible=False)
        return to_svg(figure)
