"""SENTENCES to WORD_VECTORS, if they pass the quality gate.

in   SENTENCES
out  WORD_VECTORS, export/word_vectors.bin (word2vec's format), METRICS of the word tests

    python jobs/train_word2vec.py --config conf/local.toml --set train_word2vec.epochs=10
"""

import os
import shutil
from pathlib import Path

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.config_words import TrainWord2vec
from devise_lib.spark.entry import run_job
from devise_lib.spark.metrics import replace_metrics
from devise_lib.spark.tables import Tables
from devise_lib.spark.words import WordTests, read_scores, refuse_bad_vectors, train_in_one_task
from devise_lib.text.word_vectors import Word2VecParams

PARAMS = tuple(name for name in Word2VecParams.__dataclass_fields__ if name != "workers")


def run(spark: SparkSession, config: TrainWord2vec) -> dict[str, int]:
    tables = Tables.of(spark, config, run_id=tracking.current_run_id())
    folder = Path(config.work_dir) / "export"
    staging = folder / "staging"
    staging.mkdir(parents=True, exist_ok=True)
    params = Word2VecParams(
        **{name: getattr(config, name) for name in PARAMS},
        workers=config.workers or os.cpu_count() or 1,
    )
    tests = WordTests(
        os.path.abspath(config.analogies) if config.analogies else "",
        config.restrict_vocab,
        [os.path.abspath(path) for path in config.similarities],
    )
    vectors = train_in_one_task(tables.read("sentences"), params, tests, staging)
    vectors.write.mode("overwrite").parquet(str(staging / "word_vectors"))  # trains
    scores = read_scores(staging)
    tracking.log_metrics(scores.flat())
    refuse_bad_vectors(scores, config.min_analogies, config.min_similarity)
    staged = spark.read.parquet(str(staging / "word_vectors"))
    words = tables.overwrite("word_vectors", staged)
    for name in ("word_vectors.bin", "word_vectors.bin.vocab"):
        (staging / name).replace(folder / name)
    shutil.rmtree(staging)
    replace_metrics(tables, scores.metrics(), tracking.current_run_id(), "", config.seed)
    return {"words": words}


if __name__ == "__main__":
    run_job(run, TrainWord2vec)
