"""Trains word vectors on SENTENCES, or reads a file of them, and checks them by the quality gate.

in   SENTENCES, or train_word2vec.vectors (word2vec, fastText, GloVe); the label sets
out  WORD_VECTORS, export/word_vectors.* (word2vec's formats), METRICS of the word tests

    python jobs/train_word2vec.py --config conf/local.toml --set train_word2vec.epochs=10
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.words import TrainWord2vec

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(TrainWord2vec)

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.labels.label_sets import share_with_vector
from devise_lib.spark.platform.literal_paths import read_parquet
from devise_lib.spark.platform.stores import spark_path
from devise_lib.spark.tables.caching import Scratch
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.metrics_table import replace_metrics
from devise_lib.spark.words.export import export_vectors, publish_exports
from devise_lib.spark.words.pretrained import vectors_from_file
from devise_lib.spark.words.quality_gate import WordTests, measure, refuse_bad_vectors
from devise_lib.spark.words.training import train_vectors


def run(spark: SparkSession, config: TrainWord2vec) -> dict[str, int]:
    """Write WORD_VECTORS if they pass the gate; returns words, and those of a file left out."""
    tables = Tables.of(spark, config, run_id=tracking.current_run_id())
    export = f"{config.work_dir}/export"
    with Scratch(f"{export}/staging"):  # also emptied if the gate refuses the vectors
        return _train(spark, config, tables, export)


def _train(
    spark: SparkSession, config: TrainWord2vec, tables: Tables, export: str
) -> dict[str, int]:
    staging = f"{export}/staging"
    vectors_path = spark_path(spark, f"{staging}/word_vectors")
    tests = WordTests.of(config)
    if config.vectors:
        file = vectors_from_file(spark, config.vectors, config.vectors_format, config.max_vocab)
        file.rows.write.parquet(vectors_path)
        left_out = {"duplicate words": file.duplicates.value, "unreadable words": file.broken.value}
    else:
        train_vectors(tables.read("sentences"), config, staging)
        left_out = {}
    staged = read_parquet(spark, vectors_path)
    scores = measure(staged, tests, share_with_vector(spark, config, staged))
    tracking.log_metrics(scores.flat())
    refuse_bad_vectors(scores, config)
    export_vectors(staged, config.exports, f"{staging}/export")
    count = tables.overwrite("word_vectors", staged)
    publish_exports(f"{staging}/export", export)
    replace_metrics(tables, scores.metrics(), tracking.current_run_id(), "", config.seed)
    return {"words": count, **left_out}


if __name__ == "__main__":
    run_job(run, TrainWord2vec)
