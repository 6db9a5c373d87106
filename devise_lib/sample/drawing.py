"""Chooses the figure and the proportions for each thing."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from devise_lib.sample.birds import Bird, draw_bird
from devise_lib.sample.canvas import Canvas, Colour
from devise_lib.sample.machines import (
    draw_airplane,
    draw_bicycle,
    draw_boat,
    draw_car,
    draw_heavy_vehicle,
    draw_helicopter,
)
from devise_lib.sample.quadrupeds import Quadruped, draw_quadruped
from devise_lib.sample.still_life import (
    draw_building,
    draw_castle,
    draw_flower,
    draw_mountain,
    draw_rainbow,
    draw_seat,
    draw_table,
    draw_tool,
    draw_tower,
    draw_tree,
)
from devise_lib.sample.swimmers import Swimmer, draw_octopus, draw_swimmer
from devise_lib.sample.things import Thing

Figure = Callable[..., None]

_HOOFED = Quadruped(legs=0.55, tail="hair", ears="pointed", neck=0.4, snout=0.17)
_CAT = Quadruped(legs=0.42, length=0.58, height=0.23, neck=0.16, tail="long")
_DOG = Quadruped(legs=0.45, height=0.21, neck=0.24, tail="bushy", snout=0.17, ears="pointed")
_BEAR = Quadruped(legs=0.36, length=0.62, height=0.36, neck=0.16, head=0.2, tail="stub")

# The figure of a thing follows from its kind.
_BY_KIND: dict[str, tuple[Figure, Quadruped | Bird | Swimmer | None]] = {
    "grazer": (draw_quadruped, _HOOFED),
    "feline": (draw_quadruped, _CAT),
    "canine": (draw_quadruped, _DOG),
    "bear": (draw_quadruped, _BEAR),
    "land bird": (draw_bird, Bird(beak="hooked")),
    "water bird": (draw_bird, Bird(pose="swim", beak="flat")),
    "fish": (draw_swimmer, Swimmer()),
    "sea mammal": (draw_swimmer, Swimmer(arch=0.12)),
    "mollusc": (draw_octopus, None),
    "motorcar": (draw_car, None),
    "heavy vehicle": (draw_heavy_vehicle, None),
    "cycle": (draw_bicycle, None),
    "small boat": (partial(draw_boat, long=0.7), None),
    "ship": (partial(draw_boat, long=0.9), None),
    "aircraft": (draw_airplane, None),
    "building": (draw_building, None),
    "tower building": (draw_tower, None),
    "tree": (draw_tree, None),
    "flower": (draw_flower, None),
    "tool": (draw_tool, None),
    "seat": (draw_seat, None),
    "stand": (draw_table, None),
    "landform": (draw_mountain, None),
    "sky sight": (draw_rainbow, None),
}

# These things differ from their kind in proportions or in the whole figure.
_PROPORTIONS: dict[str, dict[str, Any]] = {
    "cow": {"legs": 0.42, "height": 0.32, "neck": 0.2, "tail": "tuft", "ears": "flop"},
    "sheep": {"legs": 0.38, "height": 0.3, "neck": 0.16, "tail": "stub", "ears": "flop"},
    "deer": {"tail": "stub", "height": 0.22},
    "giraffe": {"legs": 0.62, "length": 0.45, "height": 0.22, "neck": 0.95, "tail": "tuft"},
    "elephant": {
        "legs": 0.5,
        "length": 0.6,
        "height": 0.4,
        "neck": 0.12,
        "head": 0.26,
        "snout": 0,
        "tail": "tuft",
        "ears": "big",
    },
    "cat": {"ears": "pointed", "length": 0.45, "legs": 0.36},
    "lion": {"tail": "tuft", "head": 0.19},
    "dog": {"ears": "flop", "tail": "long"},
    "fox": {"legs": 0.34, "head": 0.14},
    "eagle": {"pose": "soar", "head_colour": "pale"},
    "duck": {"head_colour": "second"},
    "swan": {"neck": 0.6},
    "flamingo": {"neck": 0.6, "legs": 0.6, "pose": "stand"},
    "penguin": {"pose": "upright"},
    "clownfish": {"length": 0.6, "height": 0.36},
    "whale": {"height": 0.42, "arch": 0.25},
    "dolphin": {"height": 0.25, "arch": 0.2},
}
_FIGURES: dict[str, Figure] = {"helicopter": draw_helicopter, "castle": draw_castle}


def draw_thing(canvas: Canvas, thing: Thing, main: Colour, second: Colour, vary: float) -> None:
    """Draws `thing` where the canvas is placed; `vary` in [0, 1) changes limbs and proportions."""
    figure, traits = _BY_KIND[thing.kind]
    figure = _FIGURES.get(thing.label, figure)
    own = () if traits is None else (replace(traits, **_PROPORTIONS.get(thing.label, {})),)
    figure(canvas, thing, main, second, vary, *own)
