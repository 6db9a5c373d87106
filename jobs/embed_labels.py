"""Gives each label of the label sets its vector, and so its place in the word space: LABELS.

in   the label sets, WORD_VECTORS (with vectors = "attributes": the classes' attributes instead)
out  LABELS, METRICS of their coverage (exact, synonym, averaged, missing; or attributes)

    python jobs/embed_labels.py --config conf/local.toml
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.words import EmbedLabels

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(EmbedLabels)

from pyspark.sql import DataFrame, SparkSession

from devise_lib import tracking
from devise_lib.config.types import Awa2Labels
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.labels.label_sets import (
    embed,
    embed_by_attributes,
    read_label_sets,
    require_coverage,
    unmatched_folders,
)
from devise_lib.spark.labels.word_space import id_of_words
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.metrics_table import Metric, replace_metrics


def run(spark: SparkSession, config: EmbedLabels) -> dict[str, int]:
    """Write LABELS, and its coverage to METRICS; returns counts of labels and unmatched folders."""
    unmatched = unmatched_folders(config.label_sets)
    tables = Tables.of(spark, config, run_id=tracking.current_run_id())
    embedded = _embed(spark, config, tables).persist()
    shares = require_coverage(embedded, config.min_coverage)
    rows = tables.overwrite("labels", embedded)
    missing = embedded.where("coverage = 'missing'").count()
    embedded.unpersist()
    replace_metrics(tables, _metrics(shares), tracking.current_run_id(), "", config.seed)
    return {"labels": rows, "without a vector": missing, **unmatched}


def _embed(spark: SparkSession, config: EmbedLabels, tables: Tables) -> DataFrame:
    labels = read_label_sets(config.label_sets)
    if config.vectors == "attributes":
        sets = [each for each in config.label_sets if isinstance(each, Awa2Labels)]  # all of them
        return embed_by_attributes(spark, sets, config.seed)
    vectors = tables.read("word_vectors")
    return embed(spark, labels, vectors, id_of_words(vectors), config.seed)


def _metrics(shares: dict[str, dict[str, float]]) -> list[Metric]:
    of_words = ("exact", "synonym", "averaged", "missing")
    return [
        Metric("labels", label_set, kind, "coverage", None, share.get(kind, 0.0))
        for label_set, share in shares.items()
        for kind in (*of_words, *sorted(share.keys() - set(of_words)))
    ]


if __name__ == "__main__":
    run_job(run, EmbedLabels)
