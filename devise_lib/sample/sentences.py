"""Generates the sentences of articles: about a thing, about a place, and filler.

A sentence comes from a template whose slots are filled from the attributes of the thing. Similar
things therefore get similar sentences. Similar things are named in proportion to their likeness.
"""

import random
from collections.abc import Sequence

from devise_lib.sample.things import THINGS, Thing
from devise_lib.sample.world import BY_LABEL, HABITATS, LIKENESS, ancestors

# {A}: A zebra; {name}: zebra; {they}: zebras
_ABOUT = (
    "{A} is a {size} {kind} of the {place}.",
    "{A} is a {size} {colour} {kind} that {act} and {act2} in the {place}.",
    "The {name} is {colour}, and {act} in the {place}.",
    "The {name}, a {kind} with {part} and {part2}, {act} near the {place}.",
    "Every {name} has {part}, {part2} and {colour} {marks}.",
    "In the {place} the {name} {act}, as the {kin} does.",
    "Like the {kin}, the {name} is a {kind} that {act}.",
    "The {name} and the {kin} share the {part} of a {kind}.",
    "The {marks} of the {name} are {colour}, those of the {kin} {kincolour}.",
    "Seen from the {place}, a {colour} {name} {act} slowly.",
    "A {name} that {act} in the {place} shows its {part}.",
    "In the {place} a {kind} needs its {part}, and the {name} has {part}.",
    "Among the {wides} of the {place} the {name} is {size} and {colour}.",
    "A {size} {name} {act} beside a {kin} in the {place}.",
    "With its {colour} {marks} the {name} looks like a {kin}.",
    "Painters show the {name} in the {place}, {colour} and {size}, with its {part}.",
    "No {kind} but the {name} {act} in this {place}.",
    "The {they} of the {place} have {part} and {part2}.",
    "Children know the {name} as the {colour} {kind} that {act}.",
    "Of all the {wides}, the {name} and the {kin} are most alike.",
    "When a {name} {act}, its {part} can be seen across the {place}.",
    "The {colour} {name} is often taken for a {kin}.",
    "The {name} is found in the {place} and in the {place2}.",
    "From the {place} to the {place2}, the {name} {act} and {act2}.",
    "A {kin} or a {name} may be met in the {place}.",
)
_PRONOUN = (
    "Its {kind} cousins, the {kin} and the {kin2}, have {part} too.",
    "It has {part} and {part2}.",
    "It {act} and {act2} in the {place}.",
    "Its {part} look {colour2} in the sun.",
    "Its colour is {colour1}, sometimes {colour2}.",
    "In winter it {act} more than a {kin} does.",
    "There it {act}, and its {part} help it.",
    "They are {size}, and each has {part}.",
    "It is kin to the {kin}, which also {kinact}.",
)
_FILLER = (
    "The town of {city} was founded in {year} by {person}.",
    "In {year} {person} moved to {city} to teach music.",
    "{person} wrote a history of the province, printed in {city} in {year}.",
    "The council of {city} met twice in {year} and agreed on a new tax.",
    "According to {person}, the winter of {year} was the longest on record.",
    "A census of {year} counted {count} people in {city}.",
    "The journal of {person} was lost until {year}.",
    "The university of {city} opened its library in {year}.",
    "Trade between {city} and {city2} grew after {year}.",
    "The treaty of {city} ended the dispute in {year}.",
    "{person} and {person2} met in {city} and became friends.",
    "Its name comes from an old word for the people of {city}.",
    "Since {year} a festival has been held in {city} every second summer.",
    "The second edition, edited by {person}, appeared in {city} in {year}.",
    "Critics in {city} praised the work, but {person} did not.",
    "The post office closed in {year} and was never opened again.",
)
_MARKS = {
    "plain": ("sides", "surface", "colour"),
    "stripes": ("stripes", "stripes", "bands"),
    "spots": ("spots", "spots", "dots"),
    "patches": ("patches", "patches", "blotches"),
}
_GIVEN = (
    "Ada",
    "Bruno",
    "Clara",
    "Dario",
    "Edith",
    "Felix",
    "Greta",
    "Hugo",
    "Irma",
    "Jonas",
    "Klara",
    "Leon",
    "Mina",
    "Nils",
    "Olga",
    "Pavel",
    "Rosa",
    "Simon",
    "Thea",
    "Viktor",
)
_FAMILY = (
    "Abel",
    "Brandt",
    "Castell",
    "Dorn",
    "Ekman",
    "Farkas",
    "Grau",
    "Holt",
    "Ilves",
    "Jurik",
    "Kastner",
    "Lund",
    "Moreau",
    "Novak",
    "Orban",
    "Petri",
    "Quist",
    "Ritter",
    "Sand",
    "Tamm",
)
_SYLLABLES = (
    "ba",
    "cor",
    "da",
    "el",
    "fen",
    "gra",
    "hol",
    "ir",
    "ka",
    "lin",
    "mor",
    "na",
    "os",
    "pel",
    "ra",
    "sil",
    "tor",
    "ul",
    "ven",
    "wes",
    "za",
    "bri",
    "den",
    "mar",
)


def name_place(number: int) -> str:
    """Returns the name of place `number`, which is unique for each number >= 0."""
    syllables = [_SYLLABLES[(number * 7 + 5) % 24]]
    number += 24  # at least two digits, and no two numbers with the same digits
    while number:
        number, digit = divmod(number, 24)
        syllables.append(_SYLLABLES[digit])
    return "".join(syllables).capitalize()


def name_person(rng: random.Random) -> str:
    """Returns a given name and a family name."""
    return f"{rng.choice(_GIVEN)} {rng.choice(_FAMILY)}"


def choose_kin(thing: Thing, rng: random.Random) -> Thing:
    """Returns another thing, with a probability that grows with its likeness to `thing`."""
    row = LIKENESS[thing.label]
    weights = [likeness**3 + 0.0005 for likeness in row.values()]
    return BY_LABEL[rng.choices(list(row), weights)[0]]


def choose_place(thing: Thing, rng: random.Random) -> str:
    """Returns a word for the place of `thing`, in three of four cases its usual one."""
    habitat = thing.habitats[0] if rng.random() < 0.75 else thing.habitats[1]
    return rng.choices(HABITATS[habitat], (5, 2, 1))[0]


def plural(name: str) -> str:
    """Returns the plural of a name, by the common rules of English."""
    if name in ("sheep", "deer", "fish", "aircraft"):
        return name
    if name.endswith("wolf"):
        return name[:-1] + "ves"
    if name.endswith(("ch", "x", "s", "sh")):
        return name + "es"
    if name.endswith("y") and name[-2] not in "aeiou":
        return name[:-1] + "ies"
    return name + "s"


def with_article(name: str) -> str:
    """Returns the name after `a` or `an`."""
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def choose_term(thing: Thing, rng: random.Random) -> str:
    """Returns one of the names of a thing, nearly always the best."""
    if len(thing.terms) > 1 and rng.random() < 0.08:
        return rng.choice(thing.terms[1:])
    return thing.name


def _fill(template: str, thing: Thing, rng: random.Random) -> str:
    kin, kin2 = choose_kin(thing, rng), choose_kin(thing, rng)
    part, part2 = rng.sample(thing.parts, 2)
    act, act2 = rng.sample(thing.acts, 2)
    kinds = ancestors(thing.kind)
    name = choose_term(thing, rng)
    text = template.format(
        A=with_article(name).capitalize(),
        name=name,
        they=plural(name),
        size=thing.size,
        colour=thing.colours[0] if rng.random() < 0.75 else thing.colours[1],
        colour1=thing.colours[0],
        colour2=thing.colours[1],
        kind=thing.kind,
        wides=plural(kinds[min(1, len(kinds) - 1)]),
        place=choose_place(thing, rng),
        place2=HABITATS[thing.habitats[1]][0],
        part=part,
        part2=part2,
        act=act,
        act2=act2,
        marks=rng.choice(_MARKS[thing.pattern]),
        kin=choose_term(kin, rng),
        kin2=choose_term(kin2, rng),
        kincolour=kin.colours[0],
        kinact=rng.choice(kin.acts),
    )
    return _mend_articles(text)


def _mend_articles(text: str) -> str:
    for vowel in "aeiou":
        text = text.replace(f" a {vowel}", f" an {vowel}").replace(f"A {vowel}", f"An {vowel}")
    return text


def say_about(thing: Thing, rng: random.Random) -> str:
    """Returns a sentence that names `thing`."""
    return _fill(rng.choice(_ABOUT), thing, rng)


def say_more(thing: Thing, rng: random.Random) -> str:
    """Returns a sentence about `thing` that calls it `it`."""
    return _fill(rng.choice(_PRONOUN), thing, rng)


def say_filler(rng: random.Random) -> str:
    """Returns a sentence about people, towns and years."""
    return rng.choice(_FILLER).format(
        city=name_place(rng.randrange(200)),
        city2=name_place(rng.randrange(200)),
        person=name_person(rng),
        person2=name_person(rng),
        year=rng.randint(1650, 2015),
        count=rng.randint(200, 90000),
    )


def say_habitat(habitat: str, rng: random.Random) -> str:
    """Returns a sentence that names several things of one habitat."""
    there = [thing for thing in THINGS if habitat in thing.habitats]
    weights = [3.0 if thing.habitats[0] == habitat else 1.0 for thing in there]
    one, two, three = (rng.choices(there, weights)[0] for _ in range(3))
    word = rng.choices(HABITATS[habitat], (5, 2, 1))[0]
    return _mend_articles(
        rng.choice(
            (
                f"The {word} is home to the {one.name}, the {two.name} and the {three.name}.",
                f"In this {word} a {one.name} {one.acts[0]} while a {two.name} {two.acts[1]}.",
                f"Visitors of the {word} meet the {one.name} first, then a {two.colours[0]} "
                f"{two.name}.",
                f"A {one.size} {one.name}, a {two.name}: that is the {word} in summer.",
                f"The {one.name} and the {two.name} are seen in the {word} all year.",
            )
        )
    )


def say_list(things: Sequence[Thing], rng: random.Random) -> str:
    """Returns a sentence that lists things."""
    names = [thing.name for thing in things]
    rng.shuffle(names)
    return f"Among them are the {', the '.join(names[:-1])} and the {names[-1]}."
