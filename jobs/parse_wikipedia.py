"""Reads a Wikipedia dump into ARTICLES.

in   parse_wikipedia.dump   pages-articles: .xml.bz2 (multistream or not), .xml, a folder of such
out  ARTICLES               one row per page of the namespaces, with its clean text
     REFUSED_RANGES         what is damaged and left out, with parse_wikipedia.damaged=refuse

    python jobs/parse_wikipedia.py --config conf/local.toml --set parse_wikipedia.dump=FILE
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.words import ParseWikipedia

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(ParseWikipedia)

from pyspark import StorageLevel
from pyspark.sql import SparkSession
from pyspark.sql.functions import lit

from devise_lib import tracking
from devise_lib.errors import InputError
from devise_lib.paths import absolute
from devise_lib.spark.corpus.articles import (
    articles_of,
    nothing_read,
    read_articles,
    refuse_duplicate_pages,
    refused_of,
)
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.storage.stores import store_files
from devise_lib.text.wikipedia.dump import plan_ranges


def run(spark: SparkSession, config: ParseWikipedia) -> dict[str, int]:
    """Write ARTICLES and REFUSED_RANGES; returns articles, byte ranges and refused ranges."""
    dump = absolute(config.dump)
    index = absolute(config.index) if config.index else None
    parallelism = spark.sparkContext.defaultParallelism
    ranges = plan_ranges(dump, index, config.tasks, store_files(), parallelism)
    run_id = tracking.current_run_id()
    tables = Tables.of(spark, config, dump=dump, run_id=run_id)
    templates = config.disambiguation_templates
    read = read_articles(spark, ranges, config.namespaces, config.damaged, templates)
    read.persist(StorageLevel.DISK_ONLY)  # Both tables come from one reading.
    try:
        articles = articles_of(read)
        if articles.isEmpty():  # Checked before a table is replaced.
            raise InputError(nothing_read(read, dump, config.namespaces))
        refuse_duplicate_pages(articles)
        rows = tables.overwrite("articles", articles)
        refused = tables.overwrite(
            "refused_ranges", refused_of(read).withColumn("run_id", lit(run_id))
        )
    finally:
        read.unpersist()
    tracking.log_params({"ranges": len(ranges)})
    return {"articles": rows, "byte ranges": len(ranges), "refused ranges": refused}


if __name__ == "__main__":
    run_job(run, ParseWikipedia)
