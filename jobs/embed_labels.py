"""The label sets and WORD_VECTORS to LABELS: each label's place in the space of words.

in   the label sets, WORD_VECTORS
out  LABELS, METRICS of their coverage (exact, synonym, averaged, missing)

    python jobs/embed_labels.py --config conf/local.toml
"""

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.config_words import EmbedLabels
from devise_lib.errors import InputError
from devise_lib.spark.entry import run_job
from devise_lib.spark.label_sets import coverage, embed, read_label_sets
from devise_lib.spark.metrics import Metric, replace_metrics
from devise_lib.spark.tables import Tables


def run(spark: SparkSession, config: EmbedLabels) -> dict[str, int]:
    labels = read_label_sets(config.label_sets)
    tables = Tables.of(spark, config, run_id=tracking.current_run_id())
    embedded = embed(spark, labels, tables.read("word_vectors")).persist()
    shares = coverage(embedded)
    for label_set, share in shares.items():
        if 1.0 - share.get("missing", 0.0) < config.min_coverage:
            raise InputError(
                f"label set {label_set}: {share['missing']:.0%} of its labels have no word vector, "
                f"and min_coverage is {config.min_coverage}; train on text that speaks "
                "of them, lower train_word2vec.min_count, or give them other terms"
            )
    rows = tables.overwrite("labels", embedded)
    missing = embedded.where("coverage = 'missing'").count()
    embedded.unpersist()
    metrics = [
        Metric("labels", label_set, kind, "coverage", None, share.get(kind, 0.0))
        for label_set, share in shares.items()
        for kind in ("exact", "synonym", "averaged", "missing")
    ]
    replace_metrics(tables, metrics, tracking.current_run_id(), "", config.seed)
    return {"labels": rows, "without a vector": missing}


if __name__ == "__main__":
    run_job(run, EmbedLabels)
