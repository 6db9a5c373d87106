"""The label sets and WORD_VECTORS to LABELS: each label's place in the space of words.

in   the label sets, WORD_VECTORS
out  LABELS, METRICS of their coverage (exact, synonym, averaged, missing)

    python jobs/embed_labels.py --config conf/local.toml
"""

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.config_words import EmbedLabels
from devise_lib.spark.entry import run_job
from devise_lib.spark.label_sets import embed, read_label_sets, require_coverage
from devise_lib.spark.metrics import Metric, replace_metrics
from devise_lib.spark.tables import Tables
from devise_lib.spark.word_space import id_of_words


def run(spark: SparkSession, config: EmbedLabels) -> dict[str, int]:
    labels = read_label_sets(config.label_sets)
    tables = Tables.of(spark, config, run_id=tracking.current_run_id())
    vectors = tables.read("word_vectors")
    embedded = embed(spark, labels, vectors, id_of_words(vectors), config.seed).persist()
    shares = require_coverage(embedded, config.min_coverage)
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
