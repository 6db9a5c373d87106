"""A Wikipedia dump to ARTICLES.

in   parse_wikipedia.dump   pages-articles: .xml.bz2 (multistream or not), .xml, a folder of such
out  ARTICLES               one row a page of the namespaces, with its clean text

    python jobs/parse_wikipedia.py --config conf/local.toml --set parse_wikipedia.dump=FILE
"""

from pathlib import Path

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.config_words import ParseWikipedia
from devise_lib.errors import InputError
from devise_lib.spark.articles import read_articles
from devise_lib.spark.entry import run_job
from devise_lib.spark.tables import Tables
from devise_lib.text.dump import plan_ranges


def run(spark: SparkSession, config: ParseWikipedia) -> dict[str, int]:
    dump = str(Path(config.dump).absolute())  # executors may have another current folder
    index = str(Path(config.index).absolute()) if config.index else None
    ranges = plan_ranges(dump, index, config.tasks)
    tables = Tables.of(spark, config, dump=dump, run_id=tracking.current_run_id())
    articles = read_articles(spark, ranges, config.namespaces)
    if articles.isEmpty():  # before a table is replaced
        raise InputError(f"{dump} has no page of namespaces {list(config.namespaces)}")
    rows = tables.overwrite("articles", articles)
    tracking.log_params({"ranges": len(ranges)})
    return {"articles": rows, "byte ranges": len(ranges)}


if __name__ == "__main__":
    run_job(run, ParseWikipedia)
