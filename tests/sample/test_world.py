"""The world holds together: labels, kinds, likeness, and kin for everything unseen."""

import pytest

from devise_lib.sample.things import THINGS
from devise_lib.sample.world import (
    BY_LABEL,
    COLOURS,
    HABITATS,
    KINDS,
    LABELS,
    LIKENESS,
    ROOT,
    ancestors,
    attributes,
    hierarchy_edges,
    kin,
    likeness,
    similarities,
)


def test_every_thing_is_spelled_in_words_the_world_knows() -> None:
    for thing in THINGS:
        assert thing.kind in KINDS, thing.label
        assert len(thing.habitats) == 2, thing.label
        assert set(thing.habitats) <= HABITATS.keys(), thing.label
        assert len(thing.colours) == 2, thing.label
        assert set(thing.colours) <= COLOURS.keys(), thing.label
        assert thing.pattern in ("plain", "stripes", "spots", "patches"), thing.label
        assert len(thing.parts) >= 2, thing.label
        assert len(thing.acts) >= 2, thing.label


def test_labels_terms_and_aliases_name_one_thing_each() -> None:
    names = [name for thing in THINGS for name in (*thing.terms, *thing.aliases)]
    tokens = {
        (name.replace(" ", "_"), thing.label)
        for thing in THINGS
        for name in (*thing.terms, *thing.aliases)
    }
    assert len(LABELS) == len(set(LABELS)) == 60
    assert len(tokens) == len({token for token, _ in tokens})
    assert sum(" " in thing.name for thing in THINGS) >= 4
    assert not set(names) & KINDS.keys()


def test_a_fifth_of_the_things_is_unseen() -> None:
    assert sum(not thing.seen for thing in THINGS) == 12


def test_no_part_or_habitat_is_a_name_of_a_thing() -> None:
    # a word with two meanings would pull the vector of its thing to the wrong place
    words = {part for thing in THINGS for part in thing.parts}
    words |= {word for synonyms in HABITATS.values() for word in synonyms}
    assert not words & {term for thing in THINGS for term in thing.terms}


def test_the_hierarchy_is_a_tree_whose_leaves_are_the_labels() -> None:
    edges = list(hierarchy_edges())
    parents = dict((child, parent) for parent, child in edges)
    assert len(parents) == len(edges), "a node with two parents"
    assert {child for child in parents if child not in parents.values()} == set(LABELS)
    for label in LABELS:
        node, steps = label, 0
        while node != ROOT:
            node, steps = parents[node], steps + 1
            assert steps <= len(edges), f"{label} does not hang below the root"


def test_an_unseen_thing_has_seen_kin_in_the_hierarchy_and_in_its_attributes() -> None:
    for thing in THINGS:
        if thing.seen:
            continue
        near = ancestors(thing.kind)[:2]
        siblings = [
            other for other in THINGS if other.seen and set(near) & set(ancestors(other.kind))
        ]
        assert siblings, thing.label
        assert any(other.seen for other in kin(thing, 2)), thing.label
        assert max(LIKENESS[thing.label][other.label] for other in siblings) > 0.4, thing.label


def test_no_two_things_have_the_same_attributes() -> None:
    assert max(score for row in LIKENESS.values() for score in row.values()) < 0.9


def test_likeness_is_symmetric_and_one_for_the_same() -> None:
    horse, zebra, axe = (attributes(BY_LABEL[name]) for name in ("horse", "zebra", "axe"))
    assert likeness(horse, horse) == 1
    assert likeness(horse, zebra) == likeness(zebra, horse) > likeness(axe, zebra)


def test_likeness_is_shared_weight_over_all_weight() -> None:
    assert likeness({"a": 2.0, "b": 1.0}, {"a": 1.0, "c": 1.0}) == pytest.approx(1 / 4)


def test_kin_come_nearest_first() -> None:
    leopard = BY_LABEL["leopard"]
    assert [other.label for other in kin(leopard, 2)] == ["tiger", "lion"]


def test_similarities_are_many_scored_and_of_known_words() -> None:
    rows = list(similarities(0))
    assert len(rows) >= 150
    assert len({(one, other) for one, other, _ in rows}) == len(rows)
    known = set(LABELS) | KINDS.keys()
    for one, other, score in rows:
        assert {one, other} <= known
        assert 0 <= score <= 10
    scores = [score for _, _, score in rows]
    assert min(scores) < 1
    assert max(scores) > 6


def test_the_seed_draws_the_pairs_and_not_the_scores() -> None:
    one = {(a, b): score for a, b, score in similarities(1) if b in BY_LABEL}
    other = {(a, b): score for a, b, score in similarities(2) if b in BY_LABEL}
    assert one.keys() != other.keys()
    assert all(other[pair] == one[pair] for pair in one.keys() & other.keys())
