"""Generates articles in wikitext; each is a pure function of the seed and its number."""

import random
from dataclasses import dataclass
from typing import NamedTuple

from devise_lib.sample.sentences import (
    choose_kin,
    name_person,
    name_place,
    plural,
    say_about,
    say_filler,
    say_habitat,
    say_list,
    say_more,
)
from devise_lib.sample.things import THINGS, Thing
from devise_lib.sample.wikitext import (
    decorate,
    make_gallery,
    make_infobox,
    make_table,
    make_tail,
)
from devise_lib.sample.world import HABITATS, KINDS, ancestors, kin

_COPY_EVERY = 71  # one of so many articles repeats an earlier one with small edits


class Page(NamedTuple):
    """A page of the dump; `redirect` is the title of its target, or ""."""

    title: str
    ns: int
    text: str
    redirect: str = ""


@dataclass(frozen=True)
class _Topic:
    """The subject of an article: its title, a thing (if any) and its other habitat or kind."""

    title: str
    form: str  # thing, habitat, kind, pair or person
    thing: Thing
    other: str = ""


def make_article(number: int, seed: int) -> Page:
    """Returns article `number` of the wiki, in namespace 0."""
    rng = random.Random(f"article/{seed}/{number}")
    if number >= 2 * _COPY_EVERY and number % _COPY_EVERY == _COPY_EVERY - 1:
        return _copy_article(number, seed, rng)
    topic = _choose_topic(number, rng)
    return Page(topic.title, 0, _WRITERS[topic.form](topic, rng))


def choose_thing(number: int) -> Thing:
    """Returns the thing that article `number` describes, if it describes one; the things take
    turns.
    """
    return THINGS[(number + number // len(THINGS)) % len(THINGS)]


def _choose_topic(number: int, rng: random.Random) -> _Topic:
    thing = choose_thing(number)
    if number < len(THINGS):
        return _Topic(THINGS[number].name.capitalize(), "thing", THINGS[number])
    place = name_place(number)
    form = rng.choices(("thing", "habitat", "kind", "pair", "person"), (62, 14, 8, 8, 8))[0]
    if form == "habitat":
        habitat = rng.choice(list(HABITATS))
        return _Topic(f"{place} {HABITATS[habitat][0].capitalize()}", form, thing, habitat)
    if form == "kind":
        wide = ancestors(thing.kind)[min(1, len(ancestors(thing.kind)) - 1)]
        return _Topic(f"List of {plural(wide)} in {place}", form, thing, wide)
    if form == "pair":
        other = choose_kin(thing, rng)
        return _Topic(f"{thing.name.capitalize()} & {other.name} ({place})", form, thing)
    if form == "person":
        return _Topic(f"{name_person(rng)} of {place}", form, thing)
    pattern = rng.choice(("{name} of {place}", "{place} {name}", "{names} in {place}"))
    title = pattern.format(name=thing.name, names=plural(thing.name), place=place)
    return _Topic(title[0].upper() + title[1:], form, thing)


def _write_thing(topic: _Topic, rng: random.Random) -> str:
    thing = topic.thing
    lead = [f"'''{topic.title}''' is a topic of the {rng.choice(_SCIENCES)}."]
    lead += _speak(thing, rng.randint(2, 4), rng)
    body = _speak(thing, rng.randint(3, 6), rng)
    habitat = thing.habitats[0]
    life = [say_habitat(habitat, rng), *_speak(thing, rng.randint(1, 3), rng)]
    history = [say_filler(rng) for _ in range(rng.randint(1, 3))]
    parts = [
        make_infobox(thing, topic.title, rng),
        decorate(lead, thing, rng),
        "== Description ==",
        decorate(body, thing, rng),
        f"== In the {HABITATS[habitat][0]} ==",
        decorate(life, thing, rng),
    ]
    if rng.random() < 0.3:
        parts.append(make_table(thing, kin(thing, 3), rng))
    if rng.random() < 0.2:
        parts.append(make_gallery(thing, rng))
    parts += ["== History ==", decorate(history, thing, rng)]
    return "\n\n".join([*parts, make_tail(thing, rng)])


def _write_habitat(topic: _Topic, rng: random.Random) -> str:
    word = HABITATS[topic.other][0]
    there = [thing for thing in THINGS if topic.other in thing.habitats]
    lead = [f"The '''{topic.title}''' is a {word} near {name_place(rng.randrange(200))}."]
    lead += [say_habitat(topic.other, rng) for _ in range(rng.randint(2, 4))]
    nature = []
    for thing in rng.choices(there, k=rng.randint(2, 4)):
        nature.append(say_about(thing, rng))
    return "\n\n".join(
        [
            decorate(lead, there[0], rng),
            "== What is found there ==",
            decorate(nature, there[0], rng),
            "\n".join(f"* [[{thing.name}]]" for thing in there[:5]),
            "== History ==",
            decorate([say_filler(rng) for _ in range(rng.randint(2, 4))], there[0], rng),
            make_tail(there[0], rng),
        ]
    )


def _write_kind(topic: _Topic, rng: random.Random) -> str:
    members = [thing for thing in THINGS if topic.other in ancestors(thing.kind)]
    chosen = rng.sample(members, min(len(members), rng.randint(3, 6)))
    if len(chosen) < 2:
        chosen += kin(chosen[0], 1)
    lines = [f"* [[{thing.name}]]: {say_about(thing, rng)}" for thing in chosen]
    lead = [
        f"This is a list of each {topic.other} known in the region.",
        say_list(chosen, rng),
        *(say_about(rng.choice(chosen), rng) for _ in range(3)),
    ]
    return "\n\n".join(
        [
            decorate(lead, chosen[0], rng),
            "\n".join(lines),
            decorate([say_filler(rng)], chosen[0], rng),
            make_tail(chosen[0], rng),
        ]
    )


def _write_pair(topic: _Topic, rng: random.Random) -> str:
    other = choose_kin(topic.thing, rng)
    mixed = []
    for _ in range(rng.randint(3, 5)):
        mixed.append(say_about(topic.thing, rng))
        mixed.append(say_about(other, rng))
    return "\n\n".join(
        [
            f"'''{topic.title}''' compares two kinds of {KINDS[topic.thing.kind]}.",
            decorate(mixed, topic.thing, rng),
            make_table(topic.thing, (other,), rng),
            "=== See also ===",
            f"# [[{topic.thing.name}]]\n# [[{other.name}|the {other.name}]]",
            make_tail(other, rng),
        ]
    )


def _write_person(topic: _Topic, rng: random.Random) -> str:
    life = [f"'''{topic.title}''' was a painter and traveller."]
    life += [say_filler(rng) for _ in range(rng.randint(4, 6))]
    work = [say_filler(rng), *_speak(topic.thing, 2, rng)]
    return "\n\n".join(
        [
            decorate(life, topic.thing, rng),
            "== Work ==",
            decorate(work, topic.thing, rng),
            make_tail(topic.thing, rng),
        ]
    )


def _speak(thing: Thing, n: int, rng: random.Random) -> list[str]:
    return [
        say_more(thing, rng) if i and rng.random() < 0.25 else say_about(thing, rng)
        for i in range(n)
    ]


def _copy_article(number: int, seed: int, rng: random.Random) -> Page:
    """Returns an earlier article with one more sentence."""
    original = make_article(number - _COPY_EVERY + rng.randrange(1, 30), seed)
    paragraphs = original.text.split("\n\n")
    paragraphs.insert(2, say_filler(rng))
    return Page(f"{original.title} ({name_place(number)} copy)", 0, "\n\n".join(paragraphs))


_SCIENCES = ("natural history of the region", "local museum", "old encyclopaedia", "school atlas")
_WRITERS = {
    "thing": _write_thing,
    "habitat": _write_habitat,
    "kind": _write_kind,
    "pair": _write_pair,
    "person": _write_person,
}
