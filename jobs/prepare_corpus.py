"""Prepares SENTENCES from ARTICLES, or from a user's table of texts or of photos' tags.

in   ARTICLES or the user's table; the label sets
out  SENTENCES, NEAR_DUPLICATES, PHRASES

    python jobs/prepare_corpus.py --config conf/local.toml
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.words import PrepareCorpus

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(PrepareCorpus)

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.spark.corpus import sentences
from devise_lib.spark.corpus import user_tables as sources
from devise_lib.spark.corpus.phrases import PhraseRules
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.labels.label_sets import read_label_sets
from devise_lib.spark.tables.delta_tables import Tables


def run(spark: SparkSession, config: PrepareCorpus) -> dict[str, int]:
    """Write SENTENCES; returns sentences, and what was left out."""
    tables = Tables.of(spark, config, run_id=tracking.current_run_id())
    return (prepare_tags if config.kind == "tags" else prepare_texts)(spark, tables, config)


def prepare_texts(spark: SparkSession, tables: Tables, c: PrepareCorpus) -> dict[str, int]:
    """Write the sentences of texts, without near-duplicates; returns counts by name."""
    joiner = sentences.label_joiner(spark, read_label_sets(c.label_sets), c.join_plurals)
    splitting = sentences.Splitting(c.lower, c.numbers, c.min_sentence_words, c.min_words)
    signing = sentences.Signing(c.near_duplicate_threshold, c.num_perm, c.shingle)
    scores = (c.phrase_min_count, c.phrase_threshold, c.phrase_scoring)
    rules = PhraseRules(c.phrase_passes, *scores, c.max_phrases)
    if c.kind == "text":
        table = sources.read_source(spark, c.source, c.source_is_table)
        texts, left_out = sources.read_texts(table, c.id_column, c.text_column), {}
    else:
        articles = tables.read("articles")
        texts, left_out = sources.running_text(articles), sources.count_left_out(articles)
    written = sentences.write_texts(tables, texts, joiner, splitting, signing, rules)
    left_out = {**left_out, **written.left_out}
    tracking.log_metrics({f"left_out_{reason}": float(n) for reason, n in left_out.items()})
    tracking.log_metrics({"unspaced_share": written.unspaced})
    sentences.print_unspaced(written.unspaced)
    repeats = {"near duplicates left out": left_out["near_duplicate"]}
    phrases = {"phrases": written.phrases} if rules.passes else {}
    return {"sentences": written.sentences, **repeats, **phrases}


def prepare_tags(spark: SparkSession, tables: Tables, c: PrepareCorpus) -> dict[str, int]:
    """Write the tags of each photo as one sentence; returns counts by name."""
    table = sources.read_source(spark, c.source, c.source_is_table)
    photos = sources.read_tags(table, c.id_column, c.tags_column, c.tag_separator, c.owner_column)
    tagged = sentences.tag_sentences(photos, c.lower, c.numbers, max(2, c.min_sentence_words))
    rows = sentences.write_tags(tables, tagged)
    return {"sentences": rows, "photos of too few tags left out": photos.count() - rows}


if __name__ == "__main__":
    run_job(run, PrepareCorpus)
