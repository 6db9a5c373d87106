"""A canvas on which figures are drawn in their own coordinates, mirrored, rotated and scaled.

A figure covers about [-1, 1] x [-1, 1] with y downwards, looks to the right, and stands on y = 0.8.
Everything is a polygon, so any pose is one affine map of its corners.
"""

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

_CORNERS = 22
_CIRCLE = [
    (math.cos(2 * math.pi * i / _CORNERS), math.sin(2 * math.pi * i / _CORNERS))
    for i in range(_CORNERS)
]


def tone(colour: Colour, factor: float) -> Colour:
    """Returns a colour darkened (factor < 1) or lightened towards white (factor > 1)."""
    if factor <= 1:
        return (int(colour[0] * factor), int(colour[1] * factor), int(colour[2] * factor))
    share = min(factor - 1, 1.0)
    red, green, blue = (int(channel + (255 - channel) * share) for channel in colour)
    return (red, green, blue)


class Canvas:
    """An RGB picture, and the map from a figure's coordinates to its pixels."""

    def __init__(self, width: int, height: int, background: Colour) -> None:
        self.width = width
        self.height = height
        self.image = Image.new("RGB", (width, height), background)
        self.draw = ImageDraw.Draw(self.image)
        self.place((width / 2, height / 2), min(width, height) / 2)

    def place(
        self, centre: Point, scale: float, turn: float = 0.0, flip: bool = False, squeeze: float = 1
    ) -> None:
        """Sets the pose: the figure's origin in pixels, pixels per unit, radians, mirroring, and
        width.
        """
        cos, sin = math.cos(turn) * scale, math.sin(turn) * scale
        across = (-squeeze if flip else squeeze) * cos, (-squeeze if flip else squeeze) * sin
        self._map = (across[0], -sin, centre[0], across[1], cos, centre[1])
        self.scale = scale

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        a, b, c, d, e, f = self._map
        return [(a * x + b * y + c, d * x + e * y + f) for x, y in points]

    def polygon(self, points: Sequence[Point], fill: Colour, outline: float = 0.62) -> None:
        """Draws a filled polygon; its outline is the same colour, darkened by the factor
        `outline`.
        """
        pixels = self._pixels(points)
        self.draw.polygon(pixels, fill)
        if outline < 1:
            width = max(1, round(self.scale * 0.018))
            self.draw.line([*pixels, pixels[0], pixels[1]], tone(fill, outline), width, "curve")

    def ellipse(
        self,
        centre: Point,
        rx: float,
        ry: float,
        fill: Colour,
        turn: float = 0.0,
        outline: float = 0.62,
    ) -> None:
        """Draws a filled ellipse with half axes `rx` and `ry`, rotated by `turn` radians."""
        cos, sin = math.cos(turn), math.sin(turn)
        points = [
            (
                centre[0] + x * rx * cos - y * ry * sin,
                centre[1] + x * rx * sin + y * ry * cos,
            )
            for x, y in _CIRCLE
        ]
        self.polygon(points, fill, outline)

    def box(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        fill: Colour,
        outline: float = 0.62,
    ) -> None:
        """Draws a filled rectangle."""
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        self.polygon(corners, fill, outline)

    def stroke(
        self, points: Sequence[Point], width: float, fill: Colour, outline: float = 1
    ) -> None:
        """Draws a line of `width` figure units with round joints."""
        pixels = self._pixels(points)
        thick = max(1, round(width * self.scale))
        if outline < 1:
            edge = thick + 2 * max(1, round(self.scale * 0.018))
            self.draw.line(pixels, tone(fill, outline), edge, "curve")
        self.draw.line(pixels, fill, thick, "curve")

    def limb(self, start: Point, end: Point, width: float, fill: Colour, taper: float = 1) -> None:
        """Draws a leg, neck or post: an outlined bar from `start` to `end`, narrowed by the factor
        `taper`.
        """
        dx, dy = end[0] - start[0], end[1] - start[1]
        length = math.hypot(dx, dy) or 1.0
        nx, ny = -dy / length * width / 2, dx / length * width / 2
        self.polygon(
            [
                (start[0] + nx, start[1] + ny),
                (end[0] + nx * taper, end[1] + ny * taper),
                (end[0] - nx * taper, end[1] - ny * taper),
                (start[0] - nx, start[1] - ny),
            ],
            fill,
        )


def mark_ellipse(
    canvas: Canvas,
    centre: Point,
    radii: Point,
    pattern: str,
    colour: Colour,
    shift: float,
) -> None:
    """Draws stripes, spots or patches inside an upright ellipse; `shift` in [0, 1) moves them."""
    (cx, cy), (rx, ry) = centre, radii
    if pattern == "stripes":
        for i in range(6):
            x = -0.78 + (i + 0.5 * shift) * 0.27
            if abs(x) > 0.9:
                continue
            reach = math.sqrt(1 - x * x) * ry * 0.97
            half = 0.055 * rx
            lean = 0.08 * rx
            canvas.polygon(
                [
                    (cx + x * rx - half, cy - reach),
                    (cx + x * rx + half, cy - reach),
                    (cx + x * rx + lean, cy + reach * 0.75),
                ],
                colour,
                1,
            )
    elif pattern == "spots":
        for i in range(14):
            angle, radius = 2.4 * i + 6 * shift, 0.86 * math.sqrt((i + 0.5) / 14)
            spot = (cx + math.cos(angle) * radius * rx, cy + math.sin(angle) * radius * ry * 0.9)
            canvas.ellipse(spot, 0.075 * rx, 0.11 * ry, colour, outline=1)
    elif pattern == "patches":
        for i, (x, y, wide) in enumerate(
            ((-0.5, -0.25, 0.27), (0.05, 0.25, 0.3), (0.5, -0.3, 0.24), (-0.1, -0.6, 0.16))
        ):
            x += 0.25 * (shift - 0.5)
            canvas.ellipse((cx + x * rx, cy + y * ry), wide * rx, 0.3 * ry, colour, 0.5 * i, 1)
