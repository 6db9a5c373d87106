"""ARTICLES to SENTENCES, near-duplicates left out and the terms of labels joined.

in   ARTICLES, the label sets
out  SENTENCES, NEAR_DUPLICATES

    python jobs/prepare_corpus.py --config conf/local.toml
"""

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.config_words import PrepareCorpus
from devise_lib.errors import InputError
from devise_lib.spark.corpus import near_duplicates, running_text, to_sentences
from devise_lib.spark.entry import run_job
from devise_lib.spark.label_sets import read_label_sets
from devise_lib.spark.tables import Tables
from devise_lib.text.labels import phrases
from devise_lib.text.tokens import PhraseJoiner


def run(spark: SparkSession, config: PrepareCorpus) -> dict[str, int]:
    joiner = PhraseJoiner(phrases(read_label_sets(config.label_sets)))
    tables = Tables.of(spark, config, run_id=tracking.current_run_id())
    articles = running_text(tables.read("articles"), config.min_words)
    if articles.isEmpty():  # before a table is replaced
        raise InputError(
            "ARTICLES hold no sentence: check the dump, or lower prepare_corpus.min_words"
        )
    repeats = near_duplicates(
        articles, config.near_duplicate_threshold, config.num_perm, config.shingle
    )
    dropped = tables.overwrite("near_duplicates", repeats)
    kept = articles.join(tables.read("near_duplicates"), "page_id", "left_anti")
    sentences = to_sentences(kept, spark.sparkContext.broadcast(joiner))
    rows = tables.overwrite("sentences", sentences)
    return {"sentences": rows, "near duplicates left out": dropped}


if __name__ == "__main__":
    run_job(run, PrepareCorpus)
