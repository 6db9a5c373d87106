import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.numerics.hierarchy import Hierarchy, chance_precision

EDGES = [
    *(("entity", "animal"), ("entity", "artifact"), ("animal", "dog"), ("animal", "cat")),
    *(("dog", "beagle"), ("dog", "poodle"), ("cat", "tabby"), ("cat", "siamese")),
    *(("artifact", "vehicle"), ("artifact", "chair"), ("vehicle", "car"), ("vehicle", "truck")),
]
TREE = Hierarchy(EDGES)
LEAVES = {"beagle", "poodle", "tabby", "siamese", "car", "truck", "chair"}
SEEN = {"beagle", "tabby", "car"}
UNSEEN = {"poodle", "dog", "truck", "chair", "siamese"}


def sets_of(label, valid=LEAVES, max_k=20):
    return TREE.correct_sets(label, valid, max_k)


def members(found, k):
    return {label for label, first in found.first_k.items() if first <= k}


def test_the_sets_of_a_tree_by_hand():
    cats = {"beagle", "poodle", "tabby", "siamese", "chair"}
    by_hand = {
        "beagle": [{"beagle"}, {"beagle", "poodle"}, cats],
        "chair": [{"chair"}, {"chair", "car", "truck"}, LEAVES],
        "car": [{"car"}, {"car", "truck"}, LEAVES],
    }
    for label, wanted in by_hand.items():
        assert [members(sets_of(label), k) for k in (1, 2, 5)] == wanted
    sizes = {label: [sets_of(label).size(k) for k in (1, 2, 5)] for label in LEAVES}
    assert sizes["chair"] == [1, 3, 7]
    assert sizes["truck"] == sizes["car"] == [1, 2, 7]
    assert sizes["siamese"] == sizes["tabby"] == sizes["poodle"] == [1, 2, 5]


def test_an_inner_node_may_be_a_label():
    found = sets_of("poodle", SEEN | UNSEEN)
    assert members(found, 2) == {"poodle", "dog"}
    assert members(found, 5) == {"poodle", "dog", "beagle", "tabby", "siamese"}


@pytest.mark.parametrize(
    ("truth", "predictions", "wanted"),
    [
        ("beagle", ["poodle", "beagle", "tabby", "car", "siamese"], [0, 1, 0.8]),
        ("chair", ["chair", "beagle", "truck", "car", "tabby"], [1, 0.5, 1]),
        ("car", ["siamese", "chair", "tabby", "poodle", "beagle"], [0, 0, 1]),
    ],
)
def test_precision_of_the_worked_example(truth, predictions, wanted):
    assert [sets_of(truth).precision(predictions, k) for k in (1, 2, 5)] == wanted


@pytest.mark.parametrize(
    ("predictions", "wanted"),
    [
        (["poodle", "dog", "siamese", "chair", "truck"], [1, 1, 0.6]),  # the unseen alone
        (["beagle", "poodle", "tabby", "dog", "siamese"], [0, 0.5, 1]),
        (["beagle", "tabby", "car"], [0, 0, 0.4]),  # fewer than k: divided by k
        (["poodle", "beagle", "dog", "tabby", "siamese"], [1, 0.5, 1]),
    ],
)
def test_precision_of_the_generalised_example(predictions, wanted):
    found = sets_of("poodle", SEEN | UNSEEN)
    assert [found.precision(predictions, k) for k in (1, 2, 5)] == wanted


def test_chance_is_the_mean_size_over_the_labels():
    sets = [(sets_of(label), 3) for label in sorted(LEAVES)]
    chance = [chance_precision(sets, k, LEAVES) for k in (1, 2, 5)]
    assert chance == pytest.approx([0.142857, 0.306122, 0.836735], abs=1e-6)
    unseen_alone = chance_precision([(sets_of("poodle", SEEN | UNSEEN), 1)], 5, UNSEEN)
    uneven = chance_precision([(sets_of("chair"), 1), (sets_of("car"), 3)], 2, LEAVES)
    assert uneven == pytest.approx((3 + 3 * 2) / 4 / 7)
    assert unseen_alone == pytest.approx(3 / 5)  # poodle, dog and siamese of five


def test_a_label_out_of_the_hierarchy_is_alone():
    assert sets_of("unicorn", LEAVES | {"unicorn"}).first_k == {"unicorn": 1}
    assert sets_of("unicorn").first_k == {}
    assert "unicorn" not in TREE
    assert "animal" in TREE


def slow_set(edges, label, valid, k):
    """The paper's own loop; ends where no further node can be reached."""

    def at(radius):
        near = {label}
        for _ in range(radius):
            near |= {b for a, b in edges if a in near} | {a for a, b in edges if b in near}
        return near

    found, radius = set(), 0
    while len(found) < k:
        found = found | (at(radius) & valid)
        if radius and at(radius) == at(radius - 1):
            break
        radius += 1
    return found


nodes = st.integers(0, 11).map(str)


@given(
    edges=st.lists(st.tuples(nodes, nodes), max_size=20),
    label=nodes,
    valid=st.sets(nodes),
    predictions=st.lists(nodes, unique=True),
)
def test_is_the_papers_loop(edges, label, valid, predictions):
    found = Hierarchy(edges).correct_sets(label, valid, 8)
    for k in range(1, 9):
        wanted = slow_set(edges, label, valid, k)
        assert members(found, k) == wanted
        assert found.size(k) == len(wanted)
        assert found.precision(predictions, k) == len(wanted & set(predictions[:k])) / k
        if label in valid:
            assert found.precision(predictions, 1) == float(predictions[:1] == [label])


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")), max_size=8),
    st.sampled_from("abcdefg"),
    st.integers(0, 3),
)
def test_labels_within_some_hops_are_those_that_a_walk_of_them_reaches(edges, label, hops):
    reached = {label}
    for _ in range(hops):
        reached |= {b for a, b in edges if a in reached} | {a for a, b in edges if b in reached}
    assert Hierarchy(edges).within(label, hops) == reached
