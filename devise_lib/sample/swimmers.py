"""Draws animals of the sea: fish and sea mammals share one body plan, the octopus has its own."""

import math
from dataclasses import dataclass

from devise_lib.sample.canvas import Canvas, Colour, Point, mark_ellipse, tone
from devise_lib.sample.things import Thing

DARK: Colour = (32, 30, 34)


WHITE: Colour = (250, 250, 250)
SPRAY: Colour = (225, 240, 250)


@dataclass(frozen=True)
class Swimmer:
    """The half axes of the body, and how far the tail is lifted, in units of the figure."""

    length: float = 0.7
    height: float = 0.28
    arch: float = 0.0


def draw_swimmer(
    canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float, body: Swimmer
) -> None:
    """Draws a fish or a sea mammal, with a snout, teeth or a blowhole if it has them."""
    length, height = body.length, body.height
    back = -length - 0.02
    tail_y = 0.06 * math.sin(6.28 * vary) - body.arch
    _draw_fluke(canvas, (back, tail_y), "blowhole" in thing.parts, tone(main, 0.85))
    canvas.polygon(
        [(-0.12, -height * 0.8), (-0.2, -height - 0.26), (0.2, -height * 0.85)], tone(main, 0.85)
    )
    if "snout" in thing.parts:
        canvas.limb((length * 0.75, 0.06), (length + 0.22, 0.1), 0.14, main, 0.6)
    stem = [
        (-length * 0.5, -height * 0.85),
        (back + 0.04, tail_y - 0.08),
        (back + 0.04, tail_y + 0.08),
        (-length * 0.5, height * 0.8),
    ]
    canvas.polygon(stem, main)
    canvas.ellipse((0.0, 0.0), length, height, main)
    if thing.pattern == "stripes":
        for x in (-0.45, 0.02, 0.48):
            reach = math.sqrt(1 - x * x) * height
            canvas.box(x * length - 0.07, -reach, x * length + 0.07, reach, second, 1)
    else:
        canvas.ellipse((0.08, height * 0.45), length * 0.74, height * 0.42, second, outline=1)
    canvas.polygon(
        [(0.1, height * 0.5), (-0.12, height + 0.2), (0.28, height * 0.6)], tone(main, 0.8)
    )
    _draw_face(canvas, thing, length, height)


def _draw_fluke(canvas: Canvas, root: Point, is_level: bool, colour: Colour) -> None:
    """Draws the level fluke of a sea mammal or the upright fin of a fish."""
    level = (0.1, -0.06), (-0.12, -0.34), (-0.3, -0.3), (-0.12, -0.12), (-0.32, -0.06)
    upright = (0.12, 0.0), (-0.24, -0.34), (-0.14, 0.0), (-0.24, 0.3)
    corners = (*level, (-0.12, 0.04), (0.1, 0.08)) if is_level else upright
    canvas.polygon([(root[0] + x, root[1] + y) for x, y in corners], colour)


def _draw_face(canvas: Canvas, thing: Thing, length: float, height: float) -> None:
    if "teeth" in thing.parts:
        mouth = (length * 0.62, height * 0.35)
        for i in range(4):
            x = mouth[0] + 0.06 * i
            canvas.polygon(
                [(x, mouth[1] - 0.05), (x + 0.06, mouth[1] - 0.05), (x + 0.03, mouth[1] + 0.04)],
                WHITE,
                1,
            )
        for x in (0.3, 0.36, 0.42):
            canvas.stroke([(x * length, -0.1), (x * length - 0.03, 0.1)], 0.02, DARK)
    else:
        canvas.stroke([(length * 0.68, height * 0.3), (length * 0.86, height * 0.24)], 0.02, DARK)
    if thing.label == "whale":
        canvas.stroke(
            [(0.4, -height - 0.05), (0.4, -height - 0.3), (0.26, -height - 0.4)],
            0.035,
            SPRAY,
        )
        canvas.stroke([(0.4, -height - 0.3), (0.54, -height - 0.4)], 0.035, SPRAY)
    canvas.ellipse((length * 0.68, -height * 0.22), 0.045, 0.05, WHITE, outline=0.5)
    canvas.ellipse((length * 0.69, -height * 0.22), 0.025, 0.03, DARK, outline=1)


def draw_octopus(canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float) -> None:
    """Draws a round head with eyes above eight arms."""
    for i in range(8):
        x = -0.42 + 0.12 * i
        sway = 0.14 * math.sin(6.28 * vary + i)
        canvas.stroke(
            [(x * 0.7, 0.05), (x * 1.5, 0.35), (x * 1.7 + sway, 0.58), (x * 2.1 + sway, 0.72)],
            0.12,
            tone(main, 0.86 + 0.04 * (i % 2)),
        )
    canvas.ellipse((0.0, -0.25), 0.42, 0.48, main)
    mark_ellipse(canvas, (0.0, -0.4), (0.4, 0.3), thing.pattern, second, vary)
    for x in (-0.13, 0.19):
        canvas.ellipse((x, -0.08), 0.1, 0.11, WHITE)
        canvas.ellipse((x + 0.03, -0.08), 0.05, 0.06, DARK, outline=1)
