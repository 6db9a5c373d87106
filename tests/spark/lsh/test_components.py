"""Components, compared with those of scipy. Spark is needed: the rounds are its windows."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from scipy.sparse import coo_array, csgraph

from devise_lib.spark.lsh.components import connected_components
from devise_lib.spark.tables.caching import Scratch
from tests.in_session import settings_kept

pytestmark = pytest.mark.spark

SCHEMA = "a string, b string"
PATH = 200


class CountingScratch(Scratch):
    """Notes how many rows each save has written."""

    def __init__(self, folder):
        super().__init__(folder)
        self.saved = []

    def save(self, df, name, more=False):
        copy = super().save(df, name, more)
        self.saved.append(copy.count())
        return copy


def components_of(edges):
    """The sorted rows (node, smallest node of its component), by scipy."""
    edges = [(a, b) for a, b in edges if a != b]
    names = sorted({name for edge in edges for name in edge})
    place = {name: n for n, name in enumerate(names)}
    a, b = np.array([[place[a], place[b]] for a, b in edges]).T
    shape = (len(names), len(names))
    graph = coo_array((np.ones(len(edges)), (a, b)), shape=shape)
    _, labels = csgraph.connected_components(graph, directed=False)
    _, first = np.unique(labels, return_index=True)  # names are in order
    return [(name, names[first[label]]) for name, label in zip(names, labels, strict=True)]


def found_in(edges, scratch):
    return sorted(map(tuple, connected_components(edges, scratch).collect()))


def path(length, rng=None):
    """The edges of a path, whose nodes are in the order of their names, or in any."""
    order = np.arange(length) if rng is None else rng.permutation(length)
    return [(f"{a:04}", f"{b:04}") for a, b in pairwise(order)]


def random_graph(rng):
    """Sparse, so that it has several components; with repeats, both directions, self loops."""
    nodes = int(rng.integers(2, 60))
    pairs = rng.integers(nodes, size=(int(nodes * rng.uniform(0.3, 1.1)) + 1, 2))
    return [(f"{a}", f"{b}") for a, b in pairs]  # "10" < "9"


def star(leaves, hub):
    return [(hub, f"{leaf:04}") for leaf in range(leaves)]


def graphs():
    rng = np.random.default_rng(5)
    clique = [(f"{a:02}", f"{b:02}") for a, b in combinations(range(40), 2)]
    made = {f"random {n}": random_graph(rng) for n in range(120)}
    return made | {
        "clique": clique,
        "clique both ways, twice": [*clique, *[(b, a) for a, b in clique]] * 2,
        "circle": [*path(20), ("0019", "0000")],
        "star, smallest hub": star(2_000, ""),
        "star, middle hub": star(2_000, "1000"),
        "star, largest hub": star(2_000, "x"),
        "stars with the same leaves": star(500, "x") + star(500, "y") + star(500, "z"),
        "tree": [(f"{n:03}", f"{(n - 1) // 2:03}") for n in range(1, 255)],
        "comb": path(20) + [(f"{n:04}", f"tooth {n}") for n in range(20)],
        # The order is that of code points; UTF-16, as Java compares, has U+FF5E behind U+1F600.
        "any letters": [("\U0001f600", "\uff5e"), ("é", "z"), ("z", "A"), ("a b", "\n")],
        "self loops": [("0", "0"), ("1", "1")],
    }


def test_each_node_gets_the_smallest_of_its_component(spark, tmp_path):
    """All graphs lie side by side in one, since it is the rounds that take time."""
    edges = [(f"{name}/{a}", f"{name}/{b}") for name, graph in graphs().items() for a, b in graph]
    order = np.random.default_rng(6).permutation(len(edges))
    shuffled = [edges[n] for n in order]
    wanted = components_of(edges)
    assert len({component for _, component in wanted}) > 400
    with settings_kept(spark), CountingScratch(str(tmp_path / "run [1:2]")) as scratch:
        spark.conf.set("spark.sql.shuffle.partitions", "3")
        df = spark.createDataFrame(shuffled, SCHEMA).repartition(2)
        assert found_in(df, scratch) == wanted
    assert scratch.saved[0] <= len({frozenset(edge) for edge in edges})
    assert scratch.saved == sorted(scratch.saved, reverse=True)  # stars make no more edges
    assert scratch.saved[-1] == len(wanted) - len({component for _, component in wanted})


def test_the_rounds_of_a_path_grow_with_the_logarithm_of_its_length(spark, tmp_path):
    shuffled = path(PATH, np.random.default_rng(7))
    edges = path(PATH) + [(f"shuffled {a}", f"shuffled {b}") for a, b in shuffled]
    with CountingScratch(str(tmp_path)) as scratch:
        assert found_in(spark.createDataFrame(edges, SCHEMA), scratch) == components_of(edges)
    assert len(scratch.saved) <= np.log2(PATH) + 2


@pytest.mark.parametrize("edges", [[], [("x", "x"), ("y", "y"), ("x", None), (None, None)]])
def test_there_is_no_component_without_an_edge_to_another_node(spark, tmp_path, edges):
    with Scratch(str(tmp_path)) as scratch:
        found = connected_components(spark.createDataFrame(edges, SCHEMA), scratch)
        assert found.columns == ["node", "component"]
        assert found.collect() == []


def test_the_rounds_go_on_where_the_second_half_alone_has_changed_an_edge(spark, tmp_path):
    edges = [("u", "a"), ("u", "c"), ("v", "b"), ("v", "c")]  # large-star leaves all as they are
    with Scratch(str(tmp_path)) as scratch:
        found = found_in(spark.createDataFrame(edges, SCHEMA), scratch)
    assert found == [(node, "a") for node in "abcuv"]
