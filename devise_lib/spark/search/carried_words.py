"""Labels and words with their vectors, which an index bundle carries."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from devise_lib.console import print_line
from devise_lib.index.building.arrays import save_array
from devise_lib.index.building.assembly import BUNDLE
from devise_lib.index.building.plan import BuildPlan
from devise_lib.index.building.products import Product
from devise_lib.index.manifest import WORD_VECTORS_FILE, WORDS_FILE
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.spark.labels.lookup import dedupe_labels
from devise_lib.spark.labels.word_space import id_of_labels, id_of_words
from devise_lib.spark.search.step_runner import Batches, Cost, StepRunner
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.vector_columns import to_matrix
from devise_lib.storage.copies import write_hashed

WORDS = "words"  # the step


def write_words(
    runner: StepRunner, tables: Tables, plan: BuildPlan, words_id: str, count: int
) -> Product | None:
    """Put the names and vectors of all labels, and of the commonest words, into the bundle.

    A name that is both is a label. Tables of other word vectors than the model's are left out.

    Args:
        runner: of the build.
        tables: with LABELS and, for words, WORD_VECTORS.
        plan: of the build.
        words_id: of the word vectors that the model was trained on.
        count: the most words.

    Returns:
        The files; None if there is nothing to carry.
    """
    found = []
    if tables.exists("labels"):
        labels = tables.read("labels")
        if id_of_labels(labels) == words_id:
            names = dedupe_labels(labels).where("vector IS NOT NULL AND term IS NOT NULL")
            found.append(_named(names, F.col("term"), F.lit(0)))
        else:
            print_line("build_index  LABELS are of other word vectors: they are not carried")
    if tables.exists("word_vectors"):
        vectors = tables.read("word_vectors")
        if id_of_words(vectors) == words_id:
            commonest = vectors.where("vector IS NOT NULL").orderBy("rank").limit(count)
            found.append(_named(commonest, F.col("word"), F.col("rank")))
        else:
            print_line("build_index  WORD_VECTORS are other ones: no words are carried")
    if not found:
        return None
    named = found[0] if len(found) == 1 else found[0].unionByName(found[1])
    once = named.groupBy("name").agg(F.min_by(F.struct("vector", "rank"), "rank").alias("first"))
    rows = once.select("name", "first.vector", "first.rank").repartition(1)
    in_order = rows.sortWithinPartitions("rank", "name")
    runner.over(WORDS, in_order, partial(_write, plan))
    return plan.done(WORDS)  # None: no row has a vector, so there was no task


def _named(rows: DataFrame, name: Column, rank: Column) -> DataFrame:
    return rows.select(name.alias("name"), rank.cast("int").alias("rank"), "vector")


def _write(plan: BuildPlan, batches: Batches) -> Iterator[Cost]:
    with Cost(1) as cost:
        names: list[str] = []
        vectors = [np.empty((0, plan.dimension), np.float32)]
        for batch in batches:
            names += [" ".join(name.split()) for name in batch["name"].to_pylist()]
            vectors.append(to_matrix(batch["vector"], plan.dimension))
        text = "".join(f"{name}\n" for name in names).encode()
        paths = [f"{BUNDLE}/{name}" for name in (WORDS_FILE, WORD_VECTORS_FILE)]
        files = {
            paths[0]: write_hashed(plan.path(paths[0]), lambda file: file.write(text)),
            paths[1]: save_array(plan.path(paths[1]), l2_normalize(np.concatenate(vectors))),
        }
        plan.finish(WORDS, files, {"words": len(names)})
    yield cost
