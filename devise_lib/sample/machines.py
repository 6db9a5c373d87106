"""Draws vehicles, boats and aircraft from their attributes."""

import math

from devise_lib.sample.canvas import Canvas, Colour, Point, tone
from devise_lib.sample.things import Thing

DARK: Colour = (40, 40, 46)
GLASS: Colour = (170, 214, 236)
METAL: Colour = (170, 174, 182)
LAMP: Colour = (252, 236, 150)
WOOD: Colour = (134, 88, 50)


def _draw_wheel(canvas: Canvas, centre: Point, radius: float) -> None:
    canvas.ellipse(centre, radius, radius, DARK)
    canvas.ellipse(centre, radius * 0.5, radius * 0.5, METAL)


def _draw_siren(canvas: Canvas, x: float, y: float) -> None:
    canvas.box(x - 0.12, y - 0.1, x, y, (40, 90, 230))
    canvas.box(x, y - 0.1, x + 0.12, y, (230, 50, 50))


def draw_car(canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float) -> None:
    """Draws a motorcar, with a taxi's sign and chequers or a police car's siren and stripe."""
    roof = -0.12 - 0.06 * vary
    canvas.polygon([(-0.55, 0.22), (-0.36, roof), (0.24, roof), (0.48, 0.22)], main)
    canvas.polygon([(-0.44, 0.2), (-0.31, roof + 0.07), (-0.06, roof + 0.07), (-0.06, 0.2)], GLASS)
    canvas.polygon([(0.02, 0.2), (0.02, roof + 0.07), (0.2, roof + 0.07), (0.36, 0.2)], GLASS)
    canvas.polygon(
        [(-0.9, 0.3), (-0.85, 0.2), (0.5, 0.2), (0.86, 0.3), (0.92, 0.6), (-0.9, 0.6)], main
    )
    if thing.pattern == "stripes":
        canvas.box(-0.88, 0.36, 0.9, 0.47, second, 1)
    elif thing.pattern == "patches":
        for i in range(12):
            x = -0.84 + 0.14 * i
            canvas.box(x, 0.34 + 0.06 * (i % 2), x + 0.14, 0.4 + 0.06 * (i % 2), second, 1)
        canvas.box(-0.16, roof - 0.1, 0.08, roof, LAMP)
    if "siren" in thing.parts:
        _draw_siren(canvas, -0.04, roof)
    canvas.ellipse((0.84, 0.38), 0.05, 0.06, LAMP)
    canvas.stroke([(-0.02, 0.24), (-0.02, 0.56)], 0.015, tone(main, 0.6))
    for x in (-0.52, 0.54):
        _draw_wheel(canvas, (x, 0.6), 0.19)


def draw_heavy_vehicle(
    canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float
) -> None:
    """Draws a bus if it has no cab; else a cab with a trailer, a ladder or a plough's big wheel."""
    top = -0.32 - 0.08 * vary
    if "cabin" not in thing.parts:
        canvas.box(-0.95, top, 0.95, 0.62, main)
        for i in range(5):
            canvas.box(-0.86 + 0.34 * i, top + 0.12, -0.6 + 0.34 * i, 0.12, GLASS)
    elif "plough" in thing.parts:
        canvas.box(-0.55, -0.42, 0.05, 0.2, main)
        canvas.box(-0.45, -0.32, -0.04, 0.04, GLASS)
        canvas.box(-0.4, 0.1, 0.8, 0.46, main)
        canvas.stroke([(0.55, 0.1), (0.55, -0.3)], 0.06, DARK)
        _draw_wheel(canvas, (-0.42, 0.42), 0.38)
        _draw_wheel(canvas, (0.6, 0.58), 0.22)
        return
    else:
        body = main if "ladder" in thing.parts else tone(second, 1.25)
        canvas.box(-0.95, top + 0.1 * ("ladder" in thing.parts), 0.4, 0.58, body)
        canvas.polygon([(0.42, -0.16), (0.76, -0.16), (0.92, 0.16), (0.92, 0.6), (0.42, 0.6)], main)
        canvas.polygon([(0.54, -0.08), (0.72, -0.08), (0.84, 0.16), (0.54, 0.16)], GLASS)
    if thing.pattern == "stripes":
        canvas.box(-0.94, 0.26, 0.91, 0.36, second, 1)
    if "ladder" in thing.parts:
        for y in (top - 0.12, top + 0.0):
            canvas.stroke([(-0.95, y), (0.4, y)], 0.04, METAL)
        for i in range(9):
            canvas.stroke([(-0.9 + 0.15 * i, top - 0.12), (-0.9 + 0.15 * i, top)], 0.03, METAL)
    if "siren" in thing.parts:
        _draw_siren(canvas, 0.6, -0.16)
    canvas.ellipse((0.88, 0.42), 0.05, 0.06, LAMP)
    for x in (-0.6, 0.6):
        _draw_wheel(canvas, (x, 0.62), 0.19)


def draw_bicycle(canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float) -> None:
    """Draws two spoked wheels, a frame, a saddle and a handlebar."""
    del thing
    for x in (-0.52, 0.52):
        rim = [(x + 0.36 * math.cos(i * 0.3), 0.42 + 0.36 * math.sin(i * 0.3)) for i in range(22)]
        canvas.stroke(rim, 0.06, tone(second, 1))
        for i in range(6):
            angle = i * math.pi / 6 + vary
            dx, dy = 0.34 * math.cos(angle), 0.34 * math.sin(angle)
            canvas.stroke([(x - dx, 0.42 - dy), (x + dx, 0.42 + dy)], 0.012, METAL)
    for bar in (
        [(-0.52, 0.42), (-0.18, -0.1), (0.36, -0.1), (-0.02, 0.42), (-0.52, 0.42)],
        [(-0.02, 0.42), (-0.24, -0.24)],
        [(0.52, 0.42), (0.32, -0.3)],
    ):
        canvas.stroke(bar, 0.065, main)
    canvas.stroke([(0.2, -0.36), (0.46, -0.3)], 0.06, DARK)
    canvas.ellipse((-0.26, -0.26), 0.16, 0.05, DARK)
    canvas.ellipse((-0.02, 0.42), 0.09, 0.09, METAL)


def draw_boat(
    canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float, long: float = 0.8
) -> None:
    """Draws a hull on waves, with sail, oars, cargo or a deck with windows and a funnel."""
    parts = thing.parts
    hull = second if "sail" in parts else main
    if "sail" in parts:
        lean = 0.1 * (vary - 0.5)
        canvas.limb((0.0, 0.4), (lean, -0.95), 0.05, WOOD)
        canvas.polygon([(0.05, 0.3), (0.05 + lean, -0.9), (0.62, 0.26)], main)
        canvas.polygon([(-0.05, 0.3), (-0.05 + lean, -0.75), (-0.5, 0.26)], tone(main, 0.9))
    if "funnel" in parts:
        x = -0.45 if "crane" in parts else -0.1
        canvas.limb((x, 0.1), (x - 0.04, -0.55), 0.2, second if "windows" in parts else DARK)
        canvas.box(x - 0.12, -0.5, x + 0.1, -0.4, PALE_BAND, 1)
    if "crane" in parts:
        canvas.box(-0.75, -0.3, -0.3, 0.3, (238, 238, 232))
        for i in range(4):
            for j in range(2):
                colour = (second, (238, 198, 66), tone(second, 0.7))[(i + j) % 3]
                canvas.box(-0.24 + 0.25 * i, 0.06 - 0.2 * j, 0.0 + 0.25 * i, 0.26 - 0.2 * j, colour)
        canvas.stroke([(0.3, 0.2), (0.3, -0.5), (0.62, -0.2)], 0.04, DARK)
    elif "deck" in parts:
        canvas.box(-0.62, -0.22, 0.5, 0.3, main)
        for y in (-0.12, 0.1):
            for i in range(7):
                canvas.box(-0.56 + 0.15 * i, y, -0.46 + 0.15 * i, y + 0.1, GLASS)
    canvas.polygon(
        [(-long, 0.22), (long + 0.1, 0.16), (long * 0.75, 0.66), (-long * 0.85, 0.66)], hull
    )
    if "deck" in parts:
        canvas.polygon(
            [(-long * 0.9, 0.5), (long * 0.87, 0.5), (long * 0.78, 0.66), (-long * 0.85, 0.66)],
            second if thing.pattern != "plain" else hull,
            1,
        )
    if "oars" in parts:
        canvas.ellipse((0.02, 0.2), long * 0.92, 0.1, tone(hull, 0.6))
        for x in (-0.3, 0.25):
            canvas.box(x - 0.07, 0.13, x + 0.07, 0.28, tone(hull, 1.3))
        for x in (-0.15, 0.4):
            blade = (x - 0.45, 0.68)
            canvas.limb((x + 0.12, -0.05), blade, 0.05, tone(second, 0.85))
            canvas.ellipse(blade, 0.14, 0.06, tone(second, 0.85), 2.2)
    for i in range(8):
        x = -1.05 + 0.28 * i
        canvas.ellipse((x, 0.72), 0.2, 0.09, (78, 146, 192) if i % 2 else (98, 164, 206), outline=1)


PALE_BAND: Colour = (244, 240, 230)


def draw_airplane(canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float) -> None:
    """Draws a long body with wings, a tail fin and a row of windows."""
    del thing
    canvas.polygon([(0.05, -0.05), (-0.35, -0.55), (-0.18, -0.55), (0.32, -0.08)], tone(main, 0.75))
    canvas.polygon([(-0.7, -0.05), (-0.98, -0.5), (-0.78, -0.5), (-0.45, -0.08)], second)
    canvas.ellipse((0.0, 0.0), 0.95, 0.17, main)
    canvas.box(-0.7, 0.02, 0.7, 0.08, second, 1)
    for i in range(9):
        canvas.ellipse((-0.5 + 0.12 * i, -0.05), 0.03, 0.035, GLASS, outline=0.6)
    canvas.polygon([(0.72, -0.1), (0.88, -0.06), (0.74, -0.03)], GLASS)
    drop = 0.45 + 0.2 * vary
    canvas.polygon([(0.2, 0.06), (-0.45, drop), (-0.22, drop), (0.45, 0.08)], tone(main, 0.85))
    canvas.ellipse((-0.02, 0.3), 0.14, 0.07, METAL)


def draw_helicopter(
    canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float
) -> None:
    """Draws a glazed cabin, a tail boom, a rotor above and skids below."""
    del thing
    canvas.limb((-0.1, -0.02), (-0.95, -0.16), 0.2, main, 0.45)
    canvas.limb((-0.95, -0.36), (-0.93, 0.04), 0.07, second)
    canvas.ellipse((0.2, 0.06), 0.46, 0.36, main)
    canvas.polygon([(0.24, -0.2), (0.5, -0.16), (0.63, 0.1), (0.24, 0.12)], GLASS)
    canvas.limb((0.15, -0.28), (0.15, -0.46), 0.08, DARK)
    tilt = 0.1 * (vary - 0.5)
    canvas.limb((-0.75, -0.47 - tilt), (1.0, -0.47 + tilt), 0.05, second)
    for x in (0.0, 0.4):
        canvas.stroke([(x, 0.36), (x, 0.56)], 0.04, DARK)
    canvas.stroke([(-0.3, 0.57), (0.7, 0.57)], 0.05, DARK)
