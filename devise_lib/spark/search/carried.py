"""What an index bundle carries beside the index: words to search by, the network of the model."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from devise_lib.archive_kinds import is_keras_file
from devise_lib.console import print_line
from devise_lib.index.building.arrays import save_array
from devise_lib.index.building.assembly import BUNDLE
from devise_lib.index.building.plan import BuildPlan
from devise_lib.index.building.products import Product
from devise_lib.index.manifest import GRAPH_FILE, MODEL_FILE, WORD_VECTORS_FILE, WORDS_FILE
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.spark.labels.lookup import dedupe_labels
from devise_lib.spark.labels.text_vectors import labels_for
from devise_lib.spark.labels.word_space import id_of_labels, id_of_words, is_of_texts
from devise_lib.spark.search.step_runner import Batches, Cost, StepRunner
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.vector_columns import to_matrix
from devise_lib.storage.copies import write_hashed
from devise_lib.storage.stores import store_files

WORDS, NETWORK = "words", "network"  # steps
LABEL_RANK = 0  # before that of the commonest word, 1


@dataclass(frozen=True)
class Carried:
    """What a bundle carries beside the index.

    Attributes:
        words: the most words.
        words_id: of the word vectors that the model was trained on, or of the texts that it came
            with; "" for no words, and no labels.
        fetch_network: fetches the model's Keras file or frozen graph; None for none.
    """

    words: int = 0
    words_id: str = ""
    fetch_network: Callable[[], bytes] | None = None


NOTHING = Carried()


def carry(runner: StepRunner, tables: Tables, plan: BuildPlan, carried: Carried) -> list[Product]:
    """Write the files into the bundle, and return them.

    Args:
        runner: of the build.
        tables: with LABELS and, for words, WORD_VECTORS; or with TEXT_VECTORS.
        plan: of the build.
        carried: what to carry.
    """
    words = network = None
    if carried.words_id and carried.words:
        words = _write_words(runner, tables, plan, carried)
    if carried.fetch_network:
        network = _write_network(plan, carried.fetch_network)
    written = [product for product in (words, network) if product]
    paths = {path for product in written for path in product.files}
    for name in (WORDS_FILE, WORD_VECTORS_FILE, MODEL_FILE, GRAPH_FILE):
        if (path := f"{BUNDLE}/{name}") not in paths:  # An earlier run may have written it.
            store_files().remove(plan.path(path))
    return written


def _write_network(plan: BuildPlan, fetch: Callable[[], bytes]) -> Product:
    if found := plan.done(NETWORK):
        return found
    content = fetch()
    path = f"{BUNDLE}/{MODEL_FILE if is_keras_file(content) else GRAPH_FILE}"
    written = write_hashed(plan.path(path), lambda file: file.write(content))
    return plan.finish(NETWORK, {path: written}, {})


def _write_words(
    runner: StepRunner, tables: Tables, plan: BuildPlan, carried: Carried
) -> Product | None:
    """Put the names and vectors of all labels, and of the commonest words, into the bundle.

    A name that is both is a label, however it is spelt. Tables of other word vectors than the
    model's are left out. The texts of a model that came with some are its labels.

    Returns:
        The files; None if there is nothing to carry.
    """
    found = []
    if is_of_texts(carried.words_id):
        texts = labels_for(tables, plan.model_id, carried.words_id)
        found.append(_named(texts, F.col("term"), F.lit(LABEL_RANK)))
    elif tables.exists("labels"):
        labels = tables.read("labels")
        if id_of_labels(labels) == carried.words_id:
            names = dedupe_labels(labels).where("vector IS NOT NULL AND term IS NOT NULL")
            found.append(_named(names, F.col("term"), F.lit(LABEL_RANK)))
        else:
            print_line("build_index  LABELS are of other word vectors: they are not carried")
    if not is_of_texts(carried.words_id) and tables.exists("word_vectors"):
        vectors = tables.read("word_vectors")
        if id_of_words(vectors) == carried.words_id:
            commonest = vectors.where("vector IS NOT NULL").orderBy("rank").limit(carried.words)
            found.append(_named(commonest, F.col("word"), F.col("rank")))
        else:
            print_line("build_index  WORD_VECTORS are other ones: no words are carried")
    if not found:
        return None
    named = found[0] if len(found) == 1 else found[0].unionByName(found[1])
    # "brown bear" and "brown_bear" are one name.
    spelling = F.regexp_replace(F.lower("name"), r"\s+", "_").alias("spelling")
    first = F.min_by(F.struct("name", "vector", "rank"), F.struct("rank", "name")).alias("first")
    rows = named.groupBy(spelling).agg(first).select("first.*").repartition(1)
    in_order = rows.sortWithinPartitions("rank", "name")
    runner.over(WORDS, in_order, partial(_write, plan))
    return plan.done(WORDS)  # None: no row has a vector, so there was no task


def _named(rows: DataFrame, name: Column, rank: Column) -> DataFrame:
    return rows.select(name.alias("name"), rank.cast("int").alias("rank"), "vector")


def _write(plan: BuildPlan, batches: Batches) -> Iterator[Cost]:
    with Cost(1) as cost:
        names: list[str] = []
        labels = 0
        vectors = [np.empty((0, plan.dimension), np.float32)]
        for batch in batches:
            names += [" ".join(name.split()) for name in batch["name"].to_pylist()]
            labels += batch["rank"].to_pylist().count(LABEL_RANK)
            vectors.append(to_matrix(batch["vector"], plan.dimension))
        text = "".join(f"{name}\n" for name in names).encode()
        paths = [f"{BUNDLE}/{name}" for name in (WORDS_FILE, WORD_VECTORS_FILE)]
        files = {
            paths[0]: write_hashed(plan.path(paths[0]), lambda file: file.write(text)),
            paths[1]: save_array(plan.path(paths[1]), l2_normalize(np.concatenate(vectors))),
        }
        plan.finish(WORDS, files, {"words": len(names), "labels": labels})
    yield cost
