"""The connected components of a graph of any size: alternately large-star and small-star.

The algorithm is that of Kiveris, Lattanzi, Mirrokni, Rastogi and Vassilvitskii, "Connected
Components in MapReduce and Beyond", SoCC 2014. An edge goes from its larger node, `high`, to its
smaller one, `low`. Each half of a round replaces an edge by one edge, and equal edges become one:

| half | the edge | becomes |
|---|---|---|
| large-star | high, low | high, the smallest of `low` and its neighbours |
| small-star | high, its smallest `low` | the same |
| small-star | high, another `low` | that `low`, the smallest `low` of `high` |

This needs no limit of rounds. A half never raises a node of an edge, and the nodes are finitely
many. So a round without a change comes. After it each node is the high end of one edge at most, and
no low end is a high end: all edges of a component lead to its smallest node.

Edges never grow in number. Those of a node, even a million, go through one task, which spills them
to disk as it must.
"""

from itertools import cycle

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from devise_lib.spark.tables.caching import Scratch

NAMES = ("components_0", "components_1")  # of the edges in a scratch


def connected_components(edges: DataFrame, scratch: Scratch) -> DataFrame:
    """Return the component of each node that has an edge to another node.

    Args:
        edges: a and b, strings; in one direction or both, repeated or not. Edges from a node to
            itself count for nothing, nor do edges that lack a node.
        scratch: where the edges of the rounds lie. The result is read from it, so it holds until
            the scratch ends, or serves another call.

    Returns:
        node, and component: the smallest of the component's nodes. Each node occurs once.
    """
    # The first half reads each edge once, so the caller's plan is computed once.
    edges = edges.where("a != b").select(
        F.greatest("a", "b").alias("high"), F.least("a", "b").alias("low")
    )
    for name in cycle(NAMES):
        # A round is saved, so that its plan does not hold those of the rounds before. Files are
        # better here than a local checkpoint: they outlive an executor, and the next round but one
        # replaces them, while checkpoints pile up until Python and Java collect their garbage. Two
        # names, since a round cannot replace what it reads.
        edges = scratch.save(_small_star(_large_star(edges)), name)
        [(has_changed,)] = edges.agg(F.bool_or("has_changed")).collect()
        if not has_changed:  # None: there are no edges
            break
    high_ends = edges.select(F.col("high").alias("node"), F.col("low").alias("component"))
    low = edges.select("low").distinct()
    return high_ends.unionAll(
        low.select(F.col("low").alias("node"), F.col("low").alias("component"))
    )


def _large_star(edges: DataFrame) -> DataFrame:
    """Lead each edge to the smallest of its low end and that node's neighbours.

    The smallest neighbour comes from a window. A join would shuffle more often, or broadcast nodes
    through the driver.
    """
    forth = F.struct(F.col("high").alias("node"), F.col("low").alias("neighbour"))
    back = F.struct(F.col("low").alias("node"), F.col("high").alias("neighbour"))
    smallest = F.min("neighbour").over(Window.partitionBy("node"))
    return (
        edges.select(F.inline(F.array(forth, back)))
        .select("node", "neighbour", F.least("node", smallest).alias("low"))
        .where("neighbour > node")
        .groupBy(F.col("neighbour").alias("high"), "low")
        .agg(F.bool_or(F.col("low") != F.col("node")).alias("has_changed"))
    )


def _small_star(edges: DataFrame) -> DataFrame:
    """Lead each high end, and its low ends, to the smallest of these low ends.

    Args:
        edges: high, low, and whether this round has changed the edge; each edge once.
    """
    smallest = F.min("low").over(Window.partitionBy("high"))
    is_smallest = F.col("low") == F.col("smallest")
    high = F.when(is_smallest, F.col("high")).otherwise(F.col("low"))
    return (
        edges.select("*", smallest.alias("smallest"))
        .select(
            high.alias("high"),
            F.col("smallest").alias("low"),
            (F.col("has_changed") | ~is_smallest).alias("has_changed"),
        )
        .groupBy("high", "low")
        .agg(F.bool_or("has_changed").alias("has_changed"))
    )
