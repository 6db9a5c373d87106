"""The sample world: kinds, habitats, colours, and the likeness of two words."""

import math
import random
from collections.abc import Iterator
from itertools import combinations

from devise_lib.sample.things import THINGS, Thing

ROOT = "thing"

# child -> parent; the things themselves are children of their `kind`
KINDS = {
    "animal": ROOT,
    "mammal": "animal",
    "grazer": "mammal",
    "carnivore": "mammal",
    "feline": "carnivore",
    "canine": "carnivore",
    "bear": "carnivore",
    "sea mammal": "mammal",
    "bird": "animal",
    "land bird": "bird",
    "water bird": "bird",
    "fish": "animal",
    "mollusc": "animal",
    "plant": ROOT,
    "tree": "plant",
    "flower": "plant",
    "vehicle": ROOT,
    "road vehicle": "vehicle",
    "motorcar": "road vehicle",
    "heavy vehicle": "road vehicle",
    "cycle": "road vehicle",
    "boat": "vehicle",
    "small boat": "boat",
    "ship": "boat",
    "aircraft": "vehicle",
    "structure": ROOT,
    "building": "structure",
    "tower building": "building",
    "household object": ROOT,
    "tool": "household object",
    "furniture": "household object",
    "seat": "furniture",
    "stand": "furniture",
    "natural feature": ROOT,
    "landform": "natural feature",
    "sky sight": "natural feature",
}

# habitat -> the words for it, the best first
HABITATS = {
    "meadow": ("meadow", "pasture", "grass"),
    "savanna": ("savanna", "grassland", "plain"),
    "field": ("field", "farmland", "farm"),
    "forest": ("forest", "wood", "woodland"),
    "jungle": ("jungle", "rainforest", "thicket"),
    "snow": ("snow", "ice", "tundra"),
    "mountains": ("mountains", "highlands", "ridge"),
    "lake": ("lake", "pond", "lagoon"),
    "coast": ("coast", "beach", "shore"),
    "sea": ("sea", "ocean", "bay"),
    "reef": ("reef", "seabed", "deep"),
    "sky": ("sky", "air", "clouds"),
    "street": ("street", "road", "city"),
    "garden": ("garden", "yard", "park"),
    "room": ("room", "parlour", "home"),
    "workshop": ("workshop", "shed", "garage"),
}

COLOURS = {
    "white": (240, 240, 236),
    "black": (36, 34, 38),
    "grey": (138, 142, 150),
    "brown": (134, 88, 50),
    "orange": (232, 128, 36),
    "yellow": (238, 198, 66),
    "red": (206, 44, 44),
    "green": (58, 142, 62),
    "blue": (52, 102, 190),
    "pink": (240, 146, 172),
}

LABELS: tuple[str, ...] = tuple(thing.label for thing in THINGS)
BY_LABEL: dict[str, Thing] = {thing.label: thing for thing in THINGS}

# The weight of each kind of attribute in likeness
_WEIGHTS = {"kind": 2.0, "habitat": 1.0, "colour": 0.7, "pattern": 1.0, "part": 0.7, "act": 0.5}


def token(words: str) -> str:
    """Returns words as one token: `fire truck` gives `fire_truck`."""
    return words.replace(" ", "_")


def ancestors(kind: str) -> tuple[str, ...]:
    """Returns `kind` and all its ancestors but the root, the nearest first."""
    found = []
    while kind != ROOT:
        found.append(kind)
        kind = KINDS[kind]
    return tuple(found)


def attributes(thing: Thing) -> dict[str, float]:
    """Returns the attributes of a thing, `side:word` -> weight; the usual habitat counts double."""
    sides = {
        "kind": ancestors(thing.kind),
        "habitat": thing.habitats,
        "colour": thing.colours,
        "pattern": () if thing.pattern == "plain" else (thing.pattern,),
        "part": thing.parts,
        "act": thing.acts,
    }
    weights = {f"{side}:{word}": _WEIGHTS[side] for side, words in sides.items() for word in words}
    weights[f"habitat:{thing.habitats[0]}"] *= 2
    weights[f"colour:{thing.colours[0]}"] *= 2
    return weights


def likeness(one: dict[str, float], other: dict[str, float]) -> float:
    """Returns the weighted Jaccard similarity of two sets of attributes, in [0, 1]."""
    keys = one.keys() | other.keys()
    # Exact sums, because rounded sums depend on a set's order, which differs between processes.
    shared = math.fsum(min(one.get(key, 0.0), other.get(key, 0.0)) for key in keys)
    total = math.fsum(max(one.get(key, 0.0), other.get(key, 0.0)) for key in keys)
    return shared / total if total else 1.0


def kind_attributes(kind: str) -> dict[str, float]:
    """Returns the mean of the attributes of all things below `kind`."""
    members = [thing for thing in THINGS if kind in ancestors(thing.kind)]
    mean: dict[str, float] = {}
    for thing in members:
        for key, weight in attributes(thing).items():
            mean[key] = mean.get(key, 0.0) + weight / len(members)
    return mean


_ATTRIBUTES = {thing.label: attributes(thing) for thing in THINGS}

# label -> {label of another thing: likeness to it}
LIKENESS: dict[str, dict[str, float]] = {
    one: {other: likeness(mine, theirs) for other, theirs in _ATTRIBUTES.items() if other != one}
    for one, mine in _ATTRIBUTES.items()
}


def kin(thing: Thing, n: int) -> tuple[Thing, ...]:
    """Returns the `n` other things most similar to `thing`, the most similar first."""
    row = LIKENESS[thing.label]
    nearest = sorted(row, key=lambda label: (-row[label], label))
    return tuple(BY_LABEL[label] for label in nearest[:n])


def hierarchy_edges() -> Iterator[tuple[str, str]]:
    """Yields pairs (parent, child) as tokens, from the root down; the labels are the leaves."""
    for child, parent in KINDS.items():
        yield token(parent), token(child)
    for thing in THINGS:
        yield token(thing.kind), thing.label


def similarities(seed: int) -> Iterator[tuple[str, str, float]]:
    """Yields triples (token, token, score 0 to 10) of the likeness of two things, or a kind and a
    thing.

    Every pair of things with much likeness is included, and a random sample of the others, so that
    a rank correlation covers the whole range. Kinds of two words are left out, because the text may
    not contain them as one token.
    """
    rng = random.Random(f"similarities/{seed}")
    for one, other in combinations(LABELS, 2):
        score = LIKENESS[one][other]
        if score > 0.25 or rng.random() < 0.07:
            yield one, other, round(10 * score, 2)
    for kind in dict.fromkeys(thing.kind for thing in THINGS if " " not in thing.kind):
        typical = kind_attributes(kind)
        for thing in rng.sample(THINGS, 6):
            yield kind, thing.label, round(10 * likeness(typical, attributes(thing)), 2)
