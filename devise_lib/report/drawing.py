"""The look of all plots (colours, fonts, axes), and the conversion of a figure to SVG."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, SOFT, FAINT, ACCENT, WARM = "#1f2933", "#52606d", "#d9e0e6", "#0b6e75", "#b45309"
# Readers with the common kinds of colour blindness can tell these apart. Each has its own marker.
COLOURS = ("#0b6e75", "#c8374b", "#946800", "#3f61b5", "#4f7a34", "#8f4591", "#c2571a", "#2b7fb3")
MARKERS = "osD^vPX*"
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}(?=[^<>]*>)")  # inside a tag, never in a text
_MARKERS = re.compile(r'(<g clip-path="[^"]*")>((?:<use [^<>]* style="([^"]*)"/>)+)</g>')
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@contextmanager
def style() -> Iterator[None]:
    """Apply the settings of matplotlib with which figures are drawn and converted to SVG."""
    settings = mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "devise",  # so that the same plot gives the same bytes
            "font.sans-serif": ["DejaVu Sans"],  # a short list, because every text repeats it
            "font.size": 10,
            "text.color": INK,
            "axes.labelcolor": SOFT,
            "axes.edgecolor": FAINT,
            "xtick.color": SOFT,
            "ytick.color": SOFT,
            "text.parse_math": False,  # a $ in a name from outside starts no formula
        }
    )
    with settings, warnings.catch_warnings():
        # The browser draws letters that the font of matplotlib lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def bare(axes: Axes) -> None:
    """Remove the frame but for the x axis, and draw horizontal grid lines."""
    axes.grid(axis="y", color=FAINT, lw=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)


def plain(name: str) -> str:
    """A name on one line, at most 28 characters long, without underscores.

    Matplotlib leaves a name that starts with an underscore out of the legend.
    """
    text = " ".join(name.replace("_", " ").split())
    return text if len(text) <= 28 else text[:27] + "\N{HORIZONTAL ELLIPSIS}"


def to_svg(figure: Figure) -> bytes:
    """Convert a figure to compact SVG. Texts stay texts, in a font that the reader has."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    head, tag, rest = _shorten(buffer.getvalue()).partition("<defs>")
    rule = f"<style>text {{ font-family: {FONT} !important }}</style>"
    return f"{head}{rule}{tag}{rest}".encode()


def _shorten(svg: str) -> str:
    """Remove indents, digits after the second one of a fraction, and repeated marker styles.

    The picture stays the same, because a hundredth of a point is far less than a pixel.
    """
    svg = _LONG_NUMBER.sub(lambda number: f"{float(number[0]):.2f}", svg)
    return _MARKERS.sub(_share_style, re.sub(r">\n\s*<", "><", svg))


def _share_style(markers: re.Match[str]) -> str:
    """Move the style of the markers, which look alike, to the group around them."""
    group, points, look = markers.groups()
    return f'{group} style="{look}">' + points.replace(f' style="{look}"', "") + "</g>"
