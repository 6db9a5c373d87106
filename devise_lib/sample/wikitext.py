"""Adds the markup around the sentences that a reader of wikitext must remove."""

import random
from collections.abc import Sequence

from devise_lib.sample.sentences import name_person, name_place, plural
from devise_lib.sample.things import THINGS, Thing
from devise_lib.sample.world import token

_NAMES = sorted((thing.name for thing in THINGS), key=len, reverse=True)


def decorate(sentences: Sequence[str], thing: Thing, rng: random.Random) -> str:
    """Returns sentences as a paragraph with links, references, emphasis, comments and entities."""
    done = []
    for sentence in sentences:
        sentence = _link_names(sentence, rng)
        share = rng.random()
        if share < 0.12:
            sentence += _make_reference(thing, rng)
        elif share < 0.16:
            sentence += "<!-- source wanted: see the talk page -->"
        elif share < 0.20:
            sentence = sentence.replace(" and ", "&nbsp;and ", 1)
        elif share < 0.23:
            sentence = sentence.replace(thing.name, f"''{thing.name}''", 1)
        elif share < 0.25:
            sentence += " {{citation needed|date=May 2012}}"
        elif share < 0.27:
            sentence += f" See [https://www.example.org/{token(thing.name)} the survey]."
        elif share < 0.28:
            sentence += " Its speed is <math>v = \\frac{s}{t}</math> in the mean."
        done.append(sentence)
    return " ".join(done)


def _link_names(sentence: str, rng: random.Random) -> str:
    """Links at most one name, by its own title or by a pipe, where it is a whole word."""
    if "[[" in sentence or "''" in sentence or rng.random() < 0.5:
        return sentence
    padded = f" {sentence} "
    for name in _NAMES:
        at = padded.find(f" {name} ")
        if at >= 0:
            title = name.capitalize()
            link = rng.choice((f"[[{name}]]", f"[[{title}|{name}]]", f"[[{title}#History|{name}]]"))
            return (padded[: at + 1] + link + padded[at + 1 + len(name) :])[1:-1]
    return sentence


def _make_reference(thing: Thing, rng: random.Random) -> str:
    year = rng.randint(1950, 2015)
    if rng.random() < 0.3:
        return f'<ref name="{thing.label}{year}" />'
    return (
        f'<ref name="{thing.label}{year}">{{{{cite book |last={name_person(rng).split()[1]} '
        f"|title=Notes on the {thing.name} |year={year} |isbn=978-0-00-{year}00-0 "
        f"|publisher={{{{nowrap|{name_place(rng.randrange(99))} Press}}}}}}}}</ref>"
    )


def make_infobox(thing: Thing, title: str, rng: random.Random) -> str:
    """Returns an infobox with a template, a file and a list inside, then a picture with a
    caption.
    """
    picture = f"{thing.label}-{rng.randint(1, 40):04d}.jpg"
    return (
        f"{{{{Short description|{thing.size} {thing.kind}}}}}\n"
        f"{{{{Infobox {thing.kind}\n| name = {title}\n| image = {picture}\n"
        f"| colour = {{{{hlist|{'|'.join(thing.colours)}}}}}\n"
        f"| habitat = [[{thing.habitats[0]}]]\n"
        f"| length = {{{{convert|{rng.randint(1, 30)}|m|ft}}}}\n"
        f"}}}}\n[[File:{picture}|thumb|left|upright=1.2|A {thing.colours[0]} [[{thing.name}]] "
        f"near {name_place(rng.randrange(99))}]]"
    )


def make_table(thing: Thing, others: Sequence[Thing], rng: random.Random) -> str:
    """Returns a table that compares a thing with others."""
    rows = "\n".join(
        f'|-\n| [[{each.name}]] || style="text-align:right" | {rng.randint(1, 900)} || {each.size}'
        for each in (thing, *others)
    )
    return (
        f'{{| class="wikitable sortable"\n|+ {plural(thing.name).capitalize()} and others\n'
        f"! Name !! Count !! Size\n{rows}\n|}}"
    )


def make_gallery(thing: Thing, rng: random.Random) -> str:
    """Returns a gallery of two pictures."""
    return (
        f'<gallery mode="packed">\nFile:{thing.label}-{rng.randint(1, 40):04d}.png|At rest\n'
        f"Image:{thing.label} old.gif|In {rng.randint(1880, 1990)}\n</gallery>"
    )


def make_tail(thing: Thing, rng: random.Random) -> str:
    """Returns references, links, a navigation box, categories and links to other languages."""
    title = thing.name.capitalize()
    return (
        "== References ==\n{{reflist|2}}\n\n== External links ==\n"
        f"* [http://example.org/{token(thing.name)}?id={rng.randint(1, 9999)}&lang=en {title}]\n"
        f"{{{{Navbox {plural(thing.kind)}}}}}\n{{{{DEFAULTSORT:{title}}}}}\n"
        f"[[Category:{plural(thing.kind).capitalize()}]]\n"
        f"[[Category:Articles of {rng.randint(2005, 2015)}]]\n"
        f"[[de:{title}]]\n[[fr:{title}]]"
    )
