"""Draws birds from their attributes: standing, swimming, soaring or upright."""

from dataclasses import dataclass

from devise_lib.sample.canvas import Canvas, Colour, Point, tone
from devise_lib.sample.things import Thing

DARK: Colour = (32, 30, 34)
PALE: Colour = (250, 248, 240)
BEAK: Colour = (240, 150, 40)


@dataclass(frozen=True)
class Bird:
    """The lengths of neck and legs in units of the figure, and the kinds of the other parts."""

    neck: float = 0.2
    legs: float = 0.25
    pose: str = "stand"
    beak: str = "short"
    head_colour: str = "main"


def draw_bird(
    canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float, body: Bird
) -> None:
    """Draws a bird that stands, swims, soars or walks upright."""
    top_colour = {"main": main, "second": second, "pale": PALE}[body.head_colour]
    pose, neck = body.pose, body.neck
    if pose == "upright":
        _draw_upright_bird(canvas, main, second)
        return
    y = 0.3 if pose == "swim" else 0.72 - body.legs
    if pose == "stand":
        for x in (-0.08, 0.1):
            canvas.stroke([(x, y + 0.1), (x + 0.03, 0.8), (x + 0.13, 0.8)], 0.04, BEAK)
    canvas.polygon(
        [(-0.4, y - 0.1), (-0.85, y - 0.16), (-0.8, y + 0.1), (-0.4, y + 0.14)],
        tone(second if thing.pattern == "patches" else main, 0.85),
    )
    if pose == "soar":
        lift = 0.2 + 0.35 * vary
        canvas.polygon(
            [(-0.2, y), (-0.55, y - 0.5 - lift), (-0.2, y - 0.45 - lift), (0.22, y)],
            tone(main, 0.75),
        )
    base = (0.3, y - 0.06)
    top = (0.44 + 0.15 * (neck < 0.4), y - 0.2 - neck)
    bend = [base, (0.56, y - 0.2 - 0.35 * neck), (0.36, y - 0.2 - 0.7 * neck), top]
    if neck > 0.4:
        canvas.stroke(bend, 0.13, main, 0.62)
    else:
        canvas.stroke([base, top], 0.2, top_colour, 0.62)
    canvas.ellipse((-0.06, y), 0.48, 0.25, main, -0.12)
    canvas.ellipse((top[0], top[1]), 0.15, 0.14, top_colour)
    _draw_beak(canvas, top, body.beak, second if thing.label == "swan" else BEAK)
    canvas.ellipse((top[0] + 0.05, top[1] - 0.03), 0.03, 0.035, DARK, outline=1)
    if pose == "soar":
        canvas.polygon(
            [(-0.25, y + 0.02), (-0.75, y - 0.35 - lift), (-0.35, y - 0.4 - lift), (0.2, y + 0.05)],
            tone(main, 0.9),
        )
    else:
        wing = second if thing.pattern == "patches" else tone(main, 0.86)
        canvas.ellipse((-0.14, y - 0.03), 0.3, 0.14, wing, 0.15)
    if pose == "swim":
        canvas.ellipse((-0.05, y + 0.23), 0.62, 0.07, (120, 176, 206), outline=0.9)


def _draw_upright_bird(canvas: Canvas, main: Colour, second: Colour) -> None:
    for x in (-0.14, 0.16):
        canvas.ellipse((x, 0.79), 0.15, 0.05, BEAK)
    canvas.ellipse((0.0, 0.2), 0.36, 0.6, main)
    canvas.ellipse((0.08, 0.28), 0.25, 0.48, second, outline=1)
    canvas.ellipse((0.04, -0.48), 0.22, 0.21, main)
    canvas.ellipse((-0.3, 0.2), 0.09, 0.36, tone(main, 0.8), 0.2)
    _draw_beak(canvas, (0.06, -0.46), "short", BEAK)
    canvas.ellipse((0.13, -0.52), 0.05, 0.05, second, outline=1)
    canvas.ellipse((0.14, -0.52), 0.025, 0.025, DARK, outline=1)


def _draw_beak(canvas: Canvas, head: Point, beak: str, colour: Colour) -> None:
    x, y = head[0] + 0.12, head[1]
    if beak == "hooked":
        canvas.polygon(
            [(x, y - 0.08), (x + 0.2, y - 0.02), (x + 0.19, y + 0.14), (x, y + 0.08)], colour
        )
    elif beak == "flat":
        canvas.polygon(
            [(x, y - 0.04), (x + 0.26, y + 0.02), (x + 0.26, y + 0.09), (x, y + 0.09)], colour
        )
    else:
        canvas.polygon([(x, y - 0.06), (x + 0.22, y + 0.05), (x, y + 0.09)], colour)
