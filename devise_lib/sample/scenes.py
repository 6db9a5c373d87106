"""Draws backgrounds by habitat, and defines where in each a figure stands."""

import random
from collections.abc import Callable

from PIL import Image

from devise_lib.sample.canvas import Canvas, Colour, tone

SKY: Colour = (150, 200, 236)


def draw_scene(canvas: Canvas, habitat: str, rng: random.Random) -> None:
    """Fills the whole canvas with `habitat`, a key of `world.HABITATS`."""
    top, bottom, ground, details = _SCENES[habitat]
    light = rng.uniform(0.85, 1.12)
    horizon = round(canvas.height * rng.uniform(0.42, 0.62))
    _fill_gradient(canvas, 0, horizon, tone(top, light), tone(bottom, light))
    _fill_gradient(canvas, horizon, canvas.height, tone(ground, light), tone(ground, 0.78 * light))
    details(canvas, horizon, tone(ground, light), rng)


def _fill_gradient(canvas: Canvas, top: int, bottom: int, first: Colour, last: Colour) -> None:
    strip = Image.new("RGB", (1, 2))
    strip.putpixel((0, 0), first)
    strip.putpixel((0, 1), last)
    size = (canvas.width, max(1, bottom - top))
    canvas.image.paste(strip.resize(size, Image.Resampling.BILINEAR), (0, top))


def _blob(canvas: Canvas, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
    canvas.draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill)


def _clouds(canvas: Canvas, horizon: int, ground: Colour, rng: random.Random) -> None:
    del ground
    for _ in range(rng.randint(1, 4)):
        x, y = rng.uniform(0, canvas.width), rng.uniform(0, horizon)
        size = rng.uniform(0.04, 0.09) * canvas.width
        for step in (-1.1, 0.0, 1.1):
            _blob(canvas, x + step * size, y, size, size * 0.6, (244, 248, 252))


def _grass(canvas: Canvas, horizon: int, ground: Colour, rng: random.Random) -> None:
    _clouds(canvas, horizon // 2, ground, rng)
    for _ in range(40):
        x, y = rng.uniform(0, canvas.width), rng.uniform(horizon, canvas.height)
        canvas.draw.line((x, y, x + rng.uniform(-4, 4), y - 9), tone(ground, 0.75), 2)
    for _ in range(rng.randint(0, 14)):
        x, y = rng.uniform(0, canvas.width), rng.uniform(horizon, canvas.height)
        _blob(canvas, x, y, 4, 4, rng.choice(((250, 250, 250), (250, 220, 80), (240, 150, 190))))


def _acacias(canvas: Canvas, horizon: int, ground: Colour, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 3)):
        x, high = rng.uniform(0, canvas.width), rng.uniform(0.15, 0.28) * canvas.height
        canvas.draw.line((x, horizon, x, horizon - high), (96, 70, 44), 6)
        _blob(canvas, x, horizon - high, high * 0.7, high * 0.2, (122, 130, 60))
    for _ in range(30):
        x, y = rng.uniform(0, canvas.width), rng.uniform(horizon, canvas.height)
        canvas.draw.line((x, y, x + rng.uniform(-6, 6), y - 14), tone(ground, 0.8), 2)


def _furrows(canvas: Canvas, horizon: int, ground: Colour, rng: random.Random) -> None:
    vanishing = rng.uniform(0.2, 0.8) * canvas.width
    for i in range(-12, 13):
        x = vanishing + i * canvas.width * 0.16
        start = vanishing + i * canvas.width * 0.035
        canvas.draw.line((start, horizon, x, canvas.height), tone(ground, 0.72), 5)
    canvas.draw.rectangle((0, horizon - 8, canvas.width, horizon), (96, 140, 70))


def _trunks(canvas: Canvas, horizon: int, ground: Colour, rng: random.Random) -> None:
    del ground
    for _ in range(rng.randint(5, 9)):
        x, wide = rng.uniform(0, canvas.width), rng.uniform(0.02, 0.05) * canvas.width
        canvas.draw.rectangle((x - wide / 2, 0, x + wide / 2, horizon + 12), (78, 58, 42))
    for _ in range(12):
        x, size = rng.uniform(0, canvas.width), rng.uniform(0.06, 0.12) * canvas.width
        _blob(canvas, x, rng.uniform(0, horizon * 0.5), size, size * 0.7, (44, 98, 54))


def _vines(canvas: Canvas, horizon: int, ground: Colour, rng: random.Random) -> None:
    for _ in range(18):
        x, y = rng.uniform(0, canvas.width), rng.uniform(0, canvas.height * 0.75)
        size = rng.uniform(0.05, 0.12) * canvas.width
        shade = rng.choice(((30, 120, 60), (60, 160, 70), (20, 92, 56), (96, 176, 70)))
        canvas.draw.polygon(
            [(x - size, y), (x, y - size * 0.4), (x + size, y + size * 0.2), (x, y + size * 0.4)],
            shade,
        )
    for _ in range(4):
        x = rng.uniform(0, canvas.width)
        canvas.draw.line((x, 0, x + 14, horizon), tone(ground, 0.7), 4)


def _snowflakes(canvas: Canvas, horizon: int, ground: Colour, rng: random.Random) -> None:
    x = rng.uniform(0, canvas.width)
    size = rng.uniform(0.12, 0.2) * canvas.width
    canvas.draw.polygon(
        [(x - size, horizon), (x - size * 0.2, horizon - size), (x + size, horizon)],
        (206, 224, 240),
    )
    for _ in range(45):
        _blob(canvas, rng.uniform(0, canvas.width), rng.uniform(0, canvas.height), 3, 3, ground)


def _peaks(canvas: Canvas, horizon: int, ground: Colour, rng: random.Random) -> None:
    for _ in range(3):
        x, size = rng.uniform(0, canvas.width), rng.uniform(0.2, 0.35) * canvas.width
        top = horizon - size * 0.8
        canvas.draw.polygon([(x - size, horizon), (x, top), (x + size, horizon)], (136, 132, 146))
        canvas.draw.polygon(
            [(x - size * 0.25, top + size * 0.2), (x, top), (x + size * 0.25, top + size * 0.2)],
            (244, 246, 250),
        )
    for _ in range(10):
        _blob(
            canvas,
            rng.uniform(0, canvas.width),
            rng.uniform(horizon, canvas.height),
            14,
            7,
            tone(ground, 0.7),
        )


def _ripples(canvas: Canvas, horizon: int, ground: Colour, rng: random.Random) -> None:
    for _ in range(26):
        x, y = rng.uniform(0, canvas.width), rng.uniform(horizon, canvas.height)
        canvas.draw.line((x, y, x + rng.uniform(14, 50), y), tone(ground, 1.25), 3)


def _reeds(canvas: Canvas, horizon: int, ground: Colour, rng: random.Random) -> None:
    canvas.draw.rectangle((0, horizon - 14, canvas.width, horizon), (104, 156, 84))
    _ripples(canvas, horizon, ground, rng)
    for _ in range(12):
        x = rng.choice((0.0, 1.0)) * canvas.width + rng.uniform(-0.14, 0.14) * canvas.width
        canvas.draw.line((x, canvas.height, x + 6, horizon), (84, 130, 60), 4)


def _beach(canvas: Canvas, horizon: int, ground: Colour, rng: random.Random) -> None:
    low = round(horizon + 0.3 * (canvas.height - horizon))
    canvas.draw.rectangle((0, horizon, canvas.width, low), (70, 146, 190))
    canvas.draw.line((0, low, canvas.width, low), (246, 248, 248), 6)
    for _ in range(14):
        _blob(
            canvas,
            rng.uniform(0, canvas.width),
            rng.uniform(low, canvas.height),
            4,
            3,
            tone(ground, 0.8),
        )


def _bubbles(canvas: Canvas, horizon: int, ground: Colour, rng: random.Random) -> None:
    sand = round(canvas.height * rng.uniform(0.82, 0.92))
    _fill_gradient(canvas, horizon - 2, canvas.height, ground, tone(ground, 0.6))
    canvas.draw.rectangle((0, sand, canvas.width, canvas.height), (206, 190, 140))
    for _ in range(rng.randint(2, 6)):
        x = rng.uniform(0, canvas.width)
        coral = rng.choice(((230, 110, 120), (240, 160, 80), (60, 150, 110)))
        for step in (-14, 0, 14):
            canvas.draw.line((x, sand + 8, x + step, sand - rng.uniform(20, 60)), coral, 7)
    for _ in range(16):
        x, y, r = rng.uniform(0, canvas.width), rng.uniform(0, sand), rng.uniform(2, 7)
        canvas.draw.ellipse((x - r, y - r, x + r, y + r), None, (214, 238, 250), 2)


def _houses(canvas: Canvas, horizon: int, ground: Colour, rng: random.Random) -> None:
    x = 0.0
    while x < canvas.width:
        wide, high = rng.uniform(0.1, 0.2) * canvas.width, rng.uniform(0.3, 0.9) * horizon
        wall = rng.choice(((176, 160, 148), (196, 180, 158), (150, 150, 160), (186, 142, 126)))
        canvas.draw.rectangle((x, horizon - high, x + wide, horizon), wall, tone(wall, 0.7))
        for row in range(int(high // 40)):
            for column in range(int(wide // 26)):
                left, up = x + 7 + 26 * column, horizon - high + 10 + 40 * row
                canvas.draw.rectangle((left, up, left + 12, up + 18), (226, 230, 200))
        x += wide
    middle = (horizon + canvas.height) // 2 + 20
    for i in range(7):
        left = i * canvas.width / 6
        canvas.draw.rectangle((left, middle, left + canvas.width / 12, middle + 6), (240, 240, 230))
    canvas.draw.rectangle((0, horizon, canvas.width, horizon + 10), tone(ground, 1.5))


def _hedge(canvas: Canvas, horizon: int, ground: Colour, rng: random.Random) -> None:
    for i in range(14):
        x = (i + rng.uniform(-0.3, 0.3)) * canvas.width / 12
        _blob(canvas, x, horizon - 8, canvas.width / 16, canvas.width / 16, (52, 118, 58))
    for i in range(9):
        x = i * canvas.width / 8
        canvas.draw.rectangle((x, horizon - 26, x + 9, horizon + 22), (238, 234, 222))
    canvas.draw.rectangle((0, horizon - 6, canvas.width, horizon + 2), (238, 234, 222))
    for _ in range(12):
        _blob(
            canvas,
            rng.uniform(0, canvas.width),
            rng.uniform(horizon + 20, canvas.height),
            5,
            5,
            rng.choice(((236, 120, 150), (250, 214, 90), tone(ground, 0.7))),
        )


def _window(canvas: Canvas, horizon: int, ground: Colour, rng: random.Random) -> None:
    x, y = rng.uniform(0.05, 0.7) * canvas.width, rng.uniform(0.05, 0.2) * canvas.height
    wide, high = 0.2 * canvas.width, 0.26 * canvas.height
    canvas.draw.rectangle((x, y, x + wide, y + high), SKY, (250, 248, 240), 6)
    canvas.draw.line((x + wide / 2, y, x + wide / 2, y + high), (250, 248, 240), 5)
    canvas.draw.rectangle((0, horizon - 10, canvas.width, horizon), (246, 240, 228))
    for i in range(6):
        canvas.draw.line(
            (i * canvas.width / 5, horizon, (i * 1.6 - 1.5) * canvas.width / 5, canvas.height),
            tone(ground, 0.85),
            3,
        )


def _planks(canvas: Canvas, horizon: int, ground: Colour, rng: random.Random) -> None:
    for i in range(1, 9):
        x = i * canvas.width / 8 + rng.uniform(-4, 4)
        canvas.draw.line((x, 0, x, horizon), (128, 100, 74), 4)
    canvas.draw.rectangle((0, horizon, canvas.width, horizon + 16), tone(ground, 0.7))
    for _ in range(8):
        x, y = rng.uniform(0, canvas.width), rng.uniform(horizon + 20, canvas.height)
        canvas.draw.line((x, y, x + 60, y), tone(ground, 0.85), 2)


# habitat -> colours of the upper sky, of the sky at the horizon and of the ground; details
_Details = Callable[[Canvas, int, Colour, random.Random], None]
_SCENES: dict[str, tuple[Colour, Colour, Colour, _Details]] = {
    "meadow": (SKY, (214, 234, 246), (116, 182, 84), _grass),
    "savanna": ((238, 206, 150), (250, 236, 200), (214, 184, 96), _acacias),
    "field": (SKY, (226, 236, 240), (164, 124, 78), _furrows),
    "forest": ((70, 122, 82), (110, 152, 104), (92, 104, 60), _trunks),
    "jungle": ((26, 104, 70), (50, 138, 84), (44, 96, 48), _vines),
    "snow": ((186, 206, 228), (226, 234, 244), (242, 246, 250), _snowflakes),
    "mountains": ((140, 186, 230), (216, 228, 240), (128, 140, 98), _peaks),
    "lake": (SKY, (220, 236, 244), (98, 158, 196), _reeds),
    "coast": (SKY, (232, 240, 244), (232, 214, 162), _beach),
    "sea": ((132, 186, 226), (216, 232, 242), (40, 104, 164), _ripples),
    "reef": ((40, 130, 190), (26, 110, 176), (26, 104, 168), _bubbles),
    "sky": ((96, 164, 228), (176, 214, 242), (190, 222, 244), _clouds),
    "street": ((188, 204, 220), (216, 222, 228), (112, 112, 118), _houses),
    "garden": (SKY, (220, 236, 246), (142, 198, 98), _hedge),
    "room": ((234, 216, 186), (226, 204, 172), (176, 126, 82), _window),
    "workshop": ((176, 146, 112), (160, 130, 98), (196, 160, 112), _planks),
}
