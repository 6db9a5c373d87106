"""Draws four-legged animals from their attributes, with one body plan.

A figure function takes the placed canvas, the thing, its two colours, a number in [0, 1) that
varies the drawing, and the proportions of that thing.
"""

import math
from dataclasses import dataclass

from devise_lib.sample.canvas import Canvas, Colour, Point, mark_ellipse, tone
from devise_lib.sample.things import Thing

DARK: Colour = (32, 30, 34)
PALE: Colour = (250, 248, 240)
HORN: Colour = (196, 178, 140)


@dataclass(frozen=True)
class Quadruped:
    """The sizes of an animal's parts in units of the figure, and the kinds of ears and tail."""

    legs: float = 0.5
    length: float = 0.55
    height: float = 0.26
    neck: float = 0.3
    head: float = 0.16
    snout: float = 0.12
    ears: str = "round"
    tail: str = "thin"


def draw_quadruped(
    canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float, build: Quadruped
) -> None:
    """Draws a four-legged animal, with parts such as mane, horns, antlers, trunk and wool."""
    length, height = build.length, build.height
    body = (-0.1, 0.8 - build.legs - 0.55 * height)
    _draw_tail(canvas, (-0.1 - length, body[1] - 0.3 * height), build.tail, main, second)
    _draw_legs(canvas, thing, (main, second), vary, build)
    if "wool" in thing.parts:
        for i in range(9):
            angle = 2 * math.pi * i / 9
            x, y = length * 0.85 * math.cos(angle), height * 0.8 * math.sin(angle)
            canvas.ellipse((body[0] + x, body[1] + y), 0.19, 0.17, main)
        canvas.ellipse(body, length * 0.9, height * 0.95, main, outline=1)
    else:
        canvas.ellipse(body, length, height, main)
    mark_ellipse(canvas, body, (length, height), thing.pattern, second, vary)
    base = (body[0] + 0.75 * length, body[1] - 0.25 * height)
    top = (base[0] + 0.16 + 0.25 * build.neck, base[1] - build.neck)
    _draw_neck(canvas, thing, (base, top), build.head, main, second)
    face = second if "wool" in thing.parts else main
    _draw_headgear(canvas, thing, top, build.head)
    _draw_ears(canvas, top, build, face, second)
    _draw_face(canvas, thing, top, build, (face, second))


def _draw_legs(
    canvas: Canvas, thing: Thing, colours: tuple[Colour, Colour], vary: float, build: Quadruped
) -> None:
    main, second = colours
    parts, length, hip = thing.parts, build.length, 0.8 - build.legs
    swing = 0.07 * math.sin(vary * 6.28)
    thick = 0.11 + 0.22 * (build.height - 0.2)
    for x, move, shade in (
        (0.62, swing, 0.72),
        (-0.55, -swing, 0.72),
        (0.8, -swing, 1.0),
        (-0.78, swing, 1.0),
    ):
        top, foot = (-0.1 + x * length, hip - 0.1), (-0.1 + x * length + move, 0.8)
        canvas.limb(top, foot, thick, tone(main, shade), 0.8)
        if thing.pattern == "stripes":
            for step in (0.35, 0.55, 0.75):
                x_leg = top[0] + move * step
                y_leg = top[1] + (0.8 - top[1]) * step
                canvas.box(
                    x_leg - 0.45 * thick,
                    y_leg - 0.02,
                    x_leg + 0.45 * thick,
                    y_leg + 0.02,
                    second,
                    1,
                )
        if "hooves" in parts:
            canvas.box(foot[0] - thick / 2, 0.75, foot[0] + thick / 2, 0.82, DARK, 1)
        elif "paws" in parts or "fur" in parts:
            canvas.ellipse((foot[0] + 0.03, 0.79), 0.08, 0.04, tone(main, shade))


def _draw_tail(canvas: Canvas, root: Point, tail: str, main: Colour, second: Colour) -> None:
    x, y = root
    if tail == "bushy":
        canvas.ellipse((x - 0.14, y + 0.06), 0.24, 0.1, main, 2.6)
        canvas.ellipse((x - 0.3, y + 0.14), 0.09, 0.06, tone(second, 1), 2.6)
    elif tail == "tuft":
        canvas.stroke([(x + 0.05, y), (x - 0.12, y + 0.1), (x - 0.15, y + 0.36)], 0.05, main)
        canvas.ellipse((x - 0.15, y + 0.4), 0.06, 0.1, second)
    elif tail == "long":
        canvas.stroke(
            [(x + 0.08, y), (x - 0.15, y - 0.02), (x - 0.26, y - 0.2), (x - 0.22, y - 0.36)],
            0.075,
            tone(main, 0.85),
        )
    elif tail == "hair":
        canvas.polygon(
            [(x + 0.04, y - 0.05), (x - 0.12, y + 0.05), (x - 0.17, y + 0.42), (x - 0.03, y + 0.2)],
            second,
        )
    else:
        canvas.ellipse((x, y), 0.09, 0.07, main)


def _draw_neck(
    canvas: Canvas,
    thing: Thing,
    ends: tuple[Point, Point],
    head: float,
    main: Colour,
    second: Colour,
) -> None:
    base, top = ends
    if "mane" in thing.parts and thing.kind == "feline":
        for i in range(10):
            angle = 2 * math.pi * i / 10
            ring = (top[0] + 1.2 * head * math.cos(angle), top[1] + 1.2 * head * math.sin(angle))
            canvas.ellipse(ring, head * 0.62, head * 0.62, second, outline=0.8)
    canvas.limb((base[0] - 0.08, base[1] + 0.08), top, 0.3, main, 0.62)
    dx, dy = top[0] - base[0], top[1] - base[1]
    if thing.pattern in ("stripes", "spots", "patches"):
        marks = 2 if abs(dy) < 0.35 else 5
        for i in range(marks):
            share = (i + 0.6) / marks
            x, y = base[0] - 0.04 + dx * share, base[1] + dy * share
            if thing.pattern == "stripes":
                canvas.limb((x - 0.09, y - 0.03), (x + 0.1, y + 0.05), 0.05, second)
            else:
                canvas.ellipse((x, y), 0.055, 0.05, second, outline=1)
    if "mane" in thing.parts and thing.kind != "feline":
        canvas.polygon(
            [
                (base[0] - 0.24, base[1] - 0.02),
                (top[0] - 0.17, top[1] - 0.1),
                (top[0] - 0.04, top[1] - 0.16),
                (top[0] - 0.05, top[1] + 0.02),
                (base[0] - 0.1, base[1] + 0.06),
            ],
            second,
        )


def _draw_headgear(canvas: Canvas, thing: Thing, centre: Point, head: float) -> None:
    x, y = centre
    if "antlers" in thing.parts:
        for side in (-0.1, 0.08):
            root = (x + side, y - head * 0.6)
            tip = (root[0] + 2 * side, root[1] - 0.38)
            canvas.stroke([root, tip], 0.05, HORN)
            for share in (0.4, 0.7):
                fork = (root[0] + 2 * side * share, root[1] - 0.38 * share)
                canvas.stroke([fork, (fork[0] + 0.13, fork[1] - 0.12)], 0.045, HORN)
    if "horns" in thing.parts:
        for side in (-0.07, 0.06):
            canvas.limb(
                (x + side, y - head * 0.6), (x + 1.9 * side, y - head - 0.12), 0.06, HORN, 0.4
            )


def _draw_ears(
    canvas: Canvas, centre: Point, build: Quadruped, main: Colour, second: Colour
) -> None:
    (x, y), head, ears = centre, build.head, build.ears
    if ears == "big":
        canvas.ellipse((x - 0.1, y + 0.02), 0.2, 0.26, tone(main, 0.85))
    if ears == "pointed":
        for side in (-0.08, 0.07):
            canvas.polygon(
                [
                    (x + side - 0.06, y - head * 0.6),
                    (x + side, y - head - 0.14),
                    (x + side + 0.07, y - head * 0.6),
                ],
                tone(main, 0.85),
            )
    elif ears == "round":
        for side in (-0.1, 0.07):
            canvas.ellipse((x + side, y - head * 0.9), 0.065, 0.065, tone(main, 0.85))
    elif ears == "flop":
        canvas.ellipse((x - 0.11, y + 0.0), 0.06, 0.16, tone(second, 0.9), 0.2)


def _draw_face(
    canvas: Canvas, thing: Thing, centre: Point, build: Quadruped, colours: tuple[Colour, Colour]
) -> None:
    (x, y), (main, second) = centre, colours
    parts, head, snout = thing.parts, build.head, build.snout
    if snout:
        light = tone(main, 1.25) if "fur" in parts or thing.kind == "feline" else main
        canvas.ellipse((x + head * 0.75, y + head * 0.4), snout, head * 0.5, light, 0.35)
        canvas.ellipse((x + head * 0.75 + snout * 0.8, y + head * 0.4), 0.035, 0.035, DARK)
    canvas.ellipse((x, y), head, head * 0.9, main)
    if thing.pattern in ("stripes", "spots"):
        for side in (-0.4, 0.0, 0.4):
            canvas.limb(
                (x + side * head, y - head * 0.8), (x + side * head, y - head * 0.35), 0.03, second
            )
    if "trunk" in parts:
        canvas.stroke(
            [
                (x + head * 0.8, y + 0.02),
                (x + head + 0.12, y + 0.28),
                (x + head + 0.1, y + 0.52),
                (x + head + 0.22, y + 0.6),
            ],
            0.11,
            tone(main, 0.9),
        )
        canvas.stroke([(x + head * 0.6, y + 0.14), (x + head + 0.22, y + 0.24)], 0.05, PALE)
    if "whiskers" in parts:
        for slope in (-0.04, 0.04):
            canvas.stroke(
                [(x + head * 0.7, y + 0.08), (x + head + 0.2, y + 0.08 + slope)], 0.012, DARK
            )
    canvas.ellipse((x + head * 0.3, y - head * 0.2), 0.032, 0.038, DARK, outline=1)
