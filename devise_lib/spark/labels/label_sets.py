"""Reads the label sets of a configuration, and makes LABELS: each label with its vector."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from devise_lib.config.types import (
    Awa2Labels,
    CifarLabels,
    FolderLabels,
    ImageNetLabels,
    JobConfig,
    LabelSet,
)
from devise_lib.errors import InputError
from devise_lib.numerics.vectors import random_unit_vector
from devise_lib.spark.labels.word_space import id_of_attributes
from devise_lib.spark.tables.schemas import LABELS
from devise_lib.text.labels.awa2 import check_folders, read_attributes, read_awa2
from devise_lib.text.labels.class_splits import read_cifar_labels, read_folder_split
from devise_lib.text.labels.label_files import Label, read_imagenet, read_label_table
from devise_lib.text.labels.label_vectors import LabelVector, candidate_tokens, choose_vector

TOKEN_COLUMNS = "number long, token string"
MAX_LISTED = 10  # labels that an error message lists


def read_label_sets(label_sets: Sequence[LabelSet]) -> list[Label]:
    """Return every label of the label sets. They are a few thousand, and stay on the driver.

    Raises:
        InputError: there is no label set, or a file of one is invalid.
    """
    if not label_sets:
        raise InputError("no label set: give [[label_sets]] at the top of the configuration")
    return [label for label_set in label_sets for label in _read(label_set)]


def _read(label_set: LabelSet) -> list[Label]:
    if isinstance(label_set, ImageNetLabels):
        return read_imagenet(label_set.words, label_set.ids, label_set.name, label_set.seen)
    if isinstance(label_set, FolderLabels):
        return read_folder_split(label_set.split, label_set.folder, label_set.name)
    if isinstance(label_set, CifarLabels):
        return read_cifar_labels(label_set.names, label_set.split, label_set.name)
    if isinstance(label_set, Awa2Labels):
        return read_awa2(label_set.folder, label_set.unseen, label_set.name)
    return read_label_table(label_set.path, label_set.name)


def unmatched_folders(label_sets: Sequence[LabelSet]) -> dict[str, int]:
    """Count the classes of AWA2 without a folder of photos, and the folders without a class.

    Counts of 0 are left out.

    Raises:
        InputError: no class of a release has a folder.
    """
    checks = [check_folders(each.folder) for each in label_sets if isinstance(each, Awa2Labels)]
    counts = {
        "classes without a folder": sum(len(check.classes_without_folder) for check in checks),
        "folders of no class": sum(len(check.folders_of_no_class) for check in checks),
    }
    return {name: count for name, count in counts.items() if count}


def embed_by_attributes(
    spark: SparkSession, label_sets: Sequence[Awa2Labels], seed: int = 0
) -> DataFrame:
    """Return the labels of AWA2 as rows of LABELS, with their attributes as vectors.

    Args:
        spark: the session.
        label_sets: of kind awa2, which have attributes.
        seed: of the control's random vectors.

    Raises:
        InputError: a file is invalid, or two releases have different numbers of attributes.
    """
    known = {each.name: read_attributes(each.folder) for each in label_sets}
    lengths = {name: len(next(iter(rows.values()))) for name, rows in known.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"the label sets have different numbers of attributes: {lengths}")
    words_id = id_of_attributes(known.values())
    rows = [
        _row(
            label,
            LabelVector(label.terms[0], known[label.label_set][label.label], "attributes"),
            words_id,
            seed,
        )
        for label in read_label_sets(label_sets)
    ]
    plain = [[v.tolist() if isinstance(v, np.ndarray) else v for v in row] for row in rows]
    return spark.createDataFrame(plain, LABELS)


def embed(
    spark: SparkSession,
    labels: Sequence[Label],
    word_vectors: DataFrame,
    words_id: str = "",
    seed: int = 0,
) -> DataFrame:
    """Return the labels as rows of LABELS, with their word vectors.

    Only the vectors of words that a label needs are joined. The rest of the vocabulary is not
    moved.

    Args:
        spark: the session.
        labels: a few thousand, from the driver.
        word_vectors: word and vector, of WORD_VECTORS or of what may become it.
        words_id: names these word vectors in LABELS, so that no model is used with other ones.
        seed: of the control's random vectors.
    """
    wanted = [(i, token) for i, label in enumerate(labels) for token in candidate_tokens(label)]
    tokens = spark.createDataFrame(wanted, TOKEN_COLUMNS).distinct()
    vectors = word_vectors.select("word", "vector")
    found = vectors.join(F.broadcast(tokens), vectors["word"] == tokens["token"])
    every = spark.range(len(labels)).withColumnRenamed("id", "number")
    shared = spark.sparkContext.broadcast(list(labels))

    def choose(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            yield pd.DataFrame(
                [
                    _row(
                        shared.value[number],
                        _choose(shared.value[number], words, vectors),
                        words_id,
                        seed,
                    )
                    for number, words, vectors in batch.itertuples(index=False)
                ],
                columns=LABELS.names,
            )

    grouped = found.groupBy("number").agg(
        F.collect_list("word").alias("words"), F.collect_list("vector").alias("vectors")
    )
    return every.join(grouped, "number", "left").mapInPandas(choose, LABELS)


def _choose(
    label: Label, words: list[str] | None, vectors: list[list[float]] | None
) -> LabelVector:
    known = {} if words is None or vectors is None else dict(zip(words, vectors, strict=True))
    return choose_vector(label, {w: np.asarray(v, dtype=np.float32) for w, v in known.items()}.get)


def _row(label: Label, chosen: LabelVector, words_id: str, seed: int) -> tuple[object, ...]:
    vector = chosen.vector
    return (
        label.label,
        label.label_set,
        list(label.terms),
        chosen.term,
        chosen.coverage,
        label.seen,
        list(label.aliases),
        vector,
        None if vector is None else random_unit_vector(label.label, len(vector), seed),
        words_id,
    )


def coverage(labels: DataFrame) -> dict[str, dict[str, float]]:
    """Return, by label set, the share of its labels in each class of coverage.

    Args:
        labels: LABELS.
    """
    counts = labels.groupBy("label_set", "coverage").count().collect()
    total: dict[str, int] = {}
    for row in counts:
        total[row["label_set"]] = total.get(row["label_set"], 0) + row["count"]
    shares: dict[str, dict[str, float]] = {name: {} for name in total}
    for row in counts:
        shares[row["label_set"]][row["coverage"]] = row["count"] / total[row["label_set"]]
    return shares


def share_with_vector(
    spark: SparkSession, config: JobConfig, word_vectors: DataFrame
) -> dict[str, float]:
    """Return, by label set of the configuration, the share of its labels that would have a vector.

    It reads the words and vectors once, before they replace WORD_VECTORS. LABELS does not change.

    Raises:
        InputError: a file of a label set is invalid.
    """
    if not config.label_sets:
        return {}
    shares = coverage(embed(spark, read_label_sets(config.label_sets), word_vectors))
    return {name: 1.0 - classes.get("missing", 0.0) for name, classes in shares.items()}


def require_coverage(labels: DataFrame, least: float) -> dict[str, dict[str, float]]:
    """Check that enough labels of each set have a vector, and return the shares of `coverage`.

    Args:
        labels: LABELS.
        least: the share of each set's labels that must have a vector, in [0, 1].

    Raises:
        InputError: fewer labels have one, or a label has different vectors in two sets. The message
            lists some of these labels.
    """
    shares = coverage(labels)
    if len(shares) > 1:
        _require_one_vector(labels)
    for label_set, classes in sorted(shares.items()):
        missing = classes.get("missing", 0.0)
        if 1.0 - missing < least:
            raise InputError(
                f"label set {label_set}: {missing:.0%} of its labels have no word vector "
                f"({_without_vector(labels, label_set)}), but min_coverage is {least}; train on "
                "text that mentions them, lower train_word2vec.min_count, or give them other terms"
            )
    return shares


def _require_one_vector(labels: DataFrame) -> None:
    """Raise InputError if a label has different vectors in two sets.

    Photos name their label without a set, so training, evaluation and tags could not know which
    vector is meant. The message lists the term of each set that gave a vector.
    """
    of_set = F.struct("label_set", "term")
    several = (
        labels.where("vector IS NOT NULL")
        .groupBy("label")
        .agg(
            F.count_distinct("vector").alias("vectors"),
            F.sort_array(F.collect_set(of_set)).alias("by"),
        )
    )
    found = several.where("vectors > 1").orderBy("label").limit(MAX_LISTED + 1).collect()
    if found:
        named = [
            f"{row['label']} ({', '.join(f'{name}: {term!r}' for name, term in row['by'])})"
            for row in found[:MAX_LISTED]
        ]
        raise InputError(
            f"labels have another vector in another label set: {'; '.join(named)}"
            f"{'; ...' if len(found) > MAX_LISTED else ''}; a photo's label must have one vector: "
            "give it the same terms in all sets, or another name"
        )


def _without_vector(labels: DataFrame, label_set: str) -> str:
    """Return the first labels of a set that have no vector, with their first terms."""
    lost = labels.where((F.col("label_set") == label_set) & (F.col("coverage") == "missing"))
    rows = lost.select("label", F.element_at("terms", 1).alias("term")).orderBy("label")
    found = rows.limit(MAX_LISTED + 1).collect()
    names = [f"{row['label']} {row['term']!r}" for row in found[:MAX_LISTED]]
    return ", ".join(names) + (", ..." if len(found) > MAX_LISTED else "")
