"""Draws inanimate things and plants: buildings, plants, tools, furniture, landforms, the
rainbow.
"""

import math

from devise_lib.sample.canvas import Canvas, Colour, tone
from devise_lib.sample.things import Thing

DARK: Colour = (40, 40, 46)
GLASS: Colour = (150, 196, 222)
WOOD: Colour = (134, 88, 50)
LEAF: Colour = (66, 150, 64)
LAMP: Colour = (255, 240, 150)


def draw_building(canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float) -> None:
    """Draws walls and a gabled roof, with a chimney or with a tower that has a bell and a spire."""
    eaves = -0.05 - 0.1 * vary
    if "chimney" in thing.parts:
        canvas.box(0.3, eaves - 0.5, 0.45, eaves, tone(second, 0.8))
    canvas.box(-0.6, eaves, 0.6, 0.8, main)
    canvas.polygon([(-0.72, eaves), (-0.05, eaves - 0.5), (0.72, eaves)], second)
    if "bell" in thing.parts:
        canvas.box(-0.75, -0.45, -0.35, 0.8, tone(main, 0.94))
        canvas.polygon([(-0.8, -0.45), (-0.55, -1.05), (-0.3, -0.45)], second)
        canvas.stroke([(-0.55, -1.0), (-0.55, -1.25)], 0.04, DARK)
        canvas.stroke([(-0.63, -1.16), (-0.47, -1.16)], 0.04, DARK)
        canvas.ellipse((-0.55, -0.25), 0.09, 0.11, DARK)
        for x in (0.0, 0.35):
            canvas.ellipse((x, 0.12), 0.08, 0.17, GLASS)
    else:
        for x in (-0.38, 0.34):
            canvas.box(x - 0.13, 0.1, x + 0.13, 0.34, GLASS)
            canvas.stroke([(x, 0.1), (x, 0.34)], 0.02, DARK)
    canvas.box(-0.12, 0.4, 0.14, 0.8, WOOD)


def draw_castle(canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float) -> None:
    """Draws a wall with battlements between two round towers."""
    del thing
    height = -0.3 - 0.2 * vary
    canvas.box(-0.6, 0.0, 0.6, 0.8, main)
    for i in range(6):
        canvas.box(-0.58 + 0.2 * i, -0.12, -0.46 + 0.2 * i, 0.02, main)
    for x in (-0.68, 0.68):
        canvas.box(x - 0.2, height, x + 0.2, 0.8, tone(main, 0.9))
        for i in range(3):
            canvas.box(x - 0.22 + 0.16 * i, height - 0.13, x - 0.11 + 0.16 * i, height, main)
        canvas.box(x - 0.04, height + 0.2, x + 0.04, height + 0.42, DARK)
    canvas.ellipse((0.0, 0.55), 0.2, 0.22, second)
    canvas.box(-0.2, 0.55, 0.2, 0.8, second)
    canvas.stroke([(-0.68, height - 0.1), (-0.68, height - 0.42)], 0.03, DARK)
    canvas.polygon(
        [(-0.68, height - 0.42), (-0.4, height - 0.34), (-0.68, height - 0.25)], (206, 44, 44)
    )


def draw_tower(canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float) -> None:
    """Draws a tapering tower, with a lamp on top or with turning blades."""
    canvas.polygon([(-0.34, 0.8), (-0.2, -0.55), (0.2, -0.55), (0.34, 0.8)], main)
    if thing.pattern == "stripes":
        for i in range(3):
            top = -0.4 + 0.42 * i
            wide = 0.2 + 0.14 * (top + 0.55) / 1.35
            low = wide + 0.14 * 0.2 / 1.35
            canvas.polygon([(-wide, top), (wide, top), (low, top + 0.2), (-low, top + 0.2)], second)
    canvas.box(-0.1, 0.5, 0.1, 0.8, DARK)
    if "lamp" in thing.parts:
        canvas.polygon([(0.1, -0.68), (1.1, -0.95), (1.1, -0.5)], LAMP, 1)
        canvas.box(-0.16, -0.8, 0.16, -0.55, LAMP)
        canvas.polygon([(-0.22, -0.8), (0.0, -1.02), (0.22, -0.8)], second)
        return
    canvas.polygon([(-0.26, -0.55), (0.0, -0.82), (0.26, -0.55)], tone(main, 0.7))
    for i in range(4):
        angle = i * math.pi / 2 + 1.5 * vary
        tip = (0.75 * math.cos(angle), -0.5 + 0.75 * math.sin(angle))
        canvas.limb((0.0, -0.5), tip, 0.17, second, 1.1)
        canvas.stroke([(0.0, -0.5), tip], 0.035, DARK)


def draw_tree(canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float) -> None:
    """Draws a trunk under a round crown, tiers of needles or palm leaves."""
    if "coconuts" in thing.parts:
        bend = 0.25 * (vary - 0.3)
        trunk = [(0.0, 0.8), (bend * 0.4, 0.1), (bend, -0.4)]
        canvas.stroke(trunk, 0.13, second)
        for angle in (-2.9, -2.3, -1.2, -0.7, -0.1, 0.3, 3.3):
            middle = (bend + 0.4 * math.cos(angle), -0.42 + 0.28 * math.sin(angle) - 0.06)
            canvas.ellipse(
                middle, 0.4, 0.1, main, 0.7 * angle if abs(angle) < 1.5 else angle - 3.14
            )
        for x in (-0.07, 0.08):
            canvas.ellipse((bend + x, -0.34), 0.07, 0.08, tone(second, 0.8))
        return
    canvas.limb((0.0, 0.8), (0.0, 0.1), 0.2, second, 0.8)
    if "needles" in thing.parts:
        for i in range(4):
            y, wide = 0.5 - 0.36 * i, 0.62 - 0.13 * i
            canvas.polygon([(-wide, y), (0.0, y - 0.52), (wide, y)], tone(main, 0.72 + 0.05 * i))
        return
    for x, y, wide in (
        (-0.38, -0.15, 0.34),
        (0.38, -0.12, 0.34),
        (-0.2, -0.5, 0.34),
        (0.22, -0.48, 0.34),
        (0.0, -0.25, 0.42),
    ):
        canvas.ellipse((x, y), wide, wide * 0.9, tone(main, 0.9 + 0.1 * vary), outline=0.8)
    for x, y in ((-0.35, 0.0), (0.1, -0.1), (0.4, -0.2)):
        canvas.ellipse((x, y), 0.04, 0.05, tone(second, 1.2))


def draw_flower(canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float) -> None:
    """Draws a stem with leaves under petals: a disk with rays, a cup or a whorl."""
    sway = 0.12 * (vary - 0.5)
    head = (sway, -0.35)
    canvas.stroke([(0.0, 0.85), (0.02, 0.3), head], 0.07, LEAF)
    canvas.ellipse((-0.2, 0.45), 0.24, 0.09, LEAF, 0.6)
    canvas.ellipse((0.22, 0.3), 0.24, 0.09, LEAF, -0.6)
    if "seeds" in thing.parts:
        for i in range(14):
            angle = i * 2 * math.pi / 14
            petal = (head[0] + 0.4 * math.cos(angle), head[1] + 0.4 * math.sin(angle))
            canvas.ellipse(petal, 0.2, 0.08, main, angle)
        canvas.ellipse(head, 0.28, 0.28, second)
    elif "bulb" in thing.parts:
        x, y = head
        canvas.ellipse((x, y + 0.08), 0.3, 0.3, main)
        canvas.polygon(
            [
                (x - 0.3, y + 0.1),
                (x - 0.32, y - 0.38),
                (x - 0.12, y - 0.12),
                (x, y - 0.44),
                (x + 0.12, y - 0.12),
                (x + 0.32, y - 0.38),
                (x + 0.3, y + 0.1),
            ],
            main,
        )
    else:
        for ring, petals, wide in ((0.24, 6, 0.22), (0.13, 5, 0.18), (0.0, 1, 0.14)):
            for i in range(petals):
                angle = i * 2 * math.pi / petals + ring * 9
                petal = (head[0] + ring * math.cos(angle), head[1] + ring * math.sin(angle))
                canvas.ellipse(petal, wide, wide * 0.85, tone(main, 0.8 + 0.5 * ring), angle)
        for y in (0.1, 0.55):
            canvas.polygon([(0.0, y), (0.1, y - 0.06), (0.02, y + 0.06)], LEAF)


def draw_tool(canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float) -> None:
    """Draws a wooden handle with a hammer's head or an axe's blade."""
    lean = 0.3 + 0.3 * vary
    canvas.limb((-lean, 0.8), (lean * 0.8, -0.6), 0.13, second)
    x, y = lean * 0.7, -0.55
    if "blade" in thing.parts:
        canvas.polygon(
            [(x - 0.1, y - 0.1), (x + 0.5, y - 0.22), (x + 0.58, y + 0.42), (x - 0.16, y + 0.18)],
            main,
        )
        canvas.polygon(
            [(x + 0.42, y - 0.2), (x + 0.5, y - 0.22), (x + 0.58, y + 0.42), (x + 0.46, y + 0.36)],
            (225, 228, 232),
        )
        return
    canvas.box(x - 0.2, y - 0.16, x + 0.4, y + 0.12, main)
    canvas.polygon([(x - 0.2, y - 0.14), (x - 0.55, y + 0.12), (x - 0.2, y + 0.06)], main)


def draw_seat(canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float) -> None:
    """Draws a chair, or an armchair or a sofa if it is padded; an armchair is `large`, one seat
    wide.
    """
    if "cushion" not in thing.parts:
        for x in (-0.3, 0.36):
            canvas.box(x - 0.05, 0.2, x + 0.05, 0.66, tone(main, 0.7))
            canvas.box(x - 0.05, -0.72 - 0.1 * vary, x + 0.05, 0.2, tone(main, 0.9))
        for i in range(3):
            canvas.box(-0.25, -0.66 + 0.22 * i, 0.31, -0.55 + 0.22 * i, second)
        canvas.polygon([(-0.34, 0.14), (0.4, 0.14), (0.48, 0.32), (-0.44, 0.32)], tone(main, 1.15))
        for x in (-0.4, 0.44):
            canvas.box(x - 0.06, 0.32, x + 0.06, 0.84, main)
        return
    wide = 0.95 if thing.label == "sofa" else 0.6
    for x in (-wide * 0.85, wide * 0.85):
        canvas.box(x - 0.05, 0.6, x + 0.05, 0.82, second)
    canvas.box(-wide * 0.9, -0.5 - 0.1 * vary, wide * 0.9, 0.5, tone(main, 0.9))
    places = 2 if thing.label == "sofa" else 1
    for i in range(places):
        left = -wide * 0.75 + i * wide * 0.75
        right = left + wide * 1.5 / places
        canvas.box(left, -0.38, right, 0.16, tone(main, 1.12))
        canvas.box(left, 0.16, right, 0.4, tone(main, 1.25))
    canvas.box(-wide * 0.8, 0.4, wide * 0.8, 0.66, main)
    for x in (-wide * 0.86, wide * 0.86):
        canvas.box(x - 0.13, 0.0, x + 0.13, 0.66, main)
        canvas.ellipse((x, 0.0), 0.15, 0.11, tone(main, 1.1))


def draw_table(canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float) -> None:
    """Draws a top on four legs with a white cup on it."""
    del thing
    for x in (-0.55, 0.62):
        canvas.box(x - 0.05, 0.0, x + 0.05, 0.6, tone(main, 0.75))
    for x in (-0.75, 0.8):
        canvas.box(x - 0.06, 0.0, x + 0.06, 0.82, main)
    canvas.polygon([(-0.75, -0.12), (0.8, -0.12), (0.95, 0.05), (-0.9, 0.05)], tone(main, 1.2))
    canvas.box(-0.9, 0.05, 0.95, 0.14, main)
    canvas.box(-0.15, 0.14, 0.25, 0.28, tone(main, 0.85))
    canvas.box(-0.4 + vary * 0.6, -0.26, -0.2 + vary * 0.6, -0.06, second)


def draw_mountain(canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float) -> None:
    """Draws two peaks with snow on them."""
    del thing
    for x, top, wide, shade in ((0.55, -0.25, 0.75, 0.85), (-0.2, -0.85 - 0.1 * vary, 0.95, 1.0)):
        canvas.polygon([(x - wide, 0.8), (x, top), (x + wide, 0.8)], tone(main, shade))
        slope = wide / (0.8 - top)
        canvas.polygon(
            [
                (x, top),
                (x + 0.4 * slope, top + 0.4),
                (x + 0.1, top + 0.28),
                (x - 0.05, top + 0.45),
                (x - 0.4 * slope, top + 0.4),
            ],
            second,
        )


def draw_rainbow(canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float) -> None:
    """Draws bands of colour, one arc below the other."""
    del thing
    bands = (main, (232, 128, 36), (238, 198, 66), (58, 142, 62), second, (120, 70, 160))
    flat = 0.9 + 0.2 * vary
    for i, colour in enumerate(bands):
        radius = 1.0 - 0.09 * i
        arc = [
            (radius * math.cos(math.pi * j / 20), 0.5 - flat * radius * math.sin(math.pi * j / 20))
            for j in range(21)
        ]
        canvas.stroke(arc, 0.095, colour)
