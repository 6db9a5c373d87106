"""The photos of one model and the labels, as the parts of the report share them."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, Row

from devise_lib.errors import InputError
from devise_lib.spark.labels.lookup import dedupe_labels, resolve_aliases
from devise_lib.spark.labels.word_space import has_words, id_of_labels
from devise_lib.spark.report.gallery_photos import with_truth
from devise_lib.spark.tables.delta_tables import Tables


@dataclass(frozen=True)
class ModelSpace:
    """Photos of one model with their truth, and the labels, from which the parts are made."""

    tables: Tables
    model_id: str
    names: DataFrame
    embeddings: DataFrame
    labels: Sequence[Row]  # label, terms, term, seen, vector
    dimension: int
    of_words: bool  # otherwise of attributes
    embedded: int
    unseen: Sequence[str]  # labels that have photos, those with most photos first
    seen: Sequence[str]

    def of_model(self, table: str) -> DataFrame | None:
        """Return the rows of a table for this model; None if the table does not exist yet."""
        if not self.tables.exists(table):
            return None
        return self.tables.of_model(table, self.model_id)


def read_space(tables: Tables, model_id: str) -> ModelSpace:
    """Read the labels and count the photos; `names` is persisted.

    Raises:
        InputError: the model has embedded no photo, or a required table is missing.
    """
    names = resolve_aliases(tables.read("labels")).persist()  # as many as there are labels
    embeddings = with_truth(tables.of_model("embeddings", model_id), names)
    first = embeddings.first()
    if first is None:
        raise InputError(f"EMBEDDINGS has no photo of model {model_id}: run embed_photos with it")
    labels = dedupe_labels(tables.read("labels"))
    counts = embeddings.groupBy("truth", "truth_seen").count().collect()  # as many as labels
    counts.sort(key=lambda row: (-row["count"], row["truth"] or ""))
    return ModelSpace(
        tables,
        model_id,
        names,
        embeddings,
        labels.select("label", "terms", "term", "seen", "vector").orderBy("label").collect(),
        len(first["embedding"]),
        has_words(id_of_labels(labels)),
        sum(row["count"] for row in counts),
        [row["truth"] for row in counts if row["truth_seen"] is False],
        [row["truth"] for row in counts if row["truth_seen"]],
    )
