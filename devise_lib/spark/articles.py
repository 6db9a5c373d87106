"""A Wikipedia dump to ARTICLES: each task reads byte ranges of whole streams."""

from collections.abc import Iterator

import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from devise_lib.spark.schemas import ARTICLES
from devise_lib.text.dump import ByteRange, Page, read_pages
from devise_lib.text.wikitext import clean, is_disambiguation

ROWS = 200  # pages a batch: the longest have a megabyte of text
RANGES = "path string, start long, stop long, kind string"


def read_articles(
    spark: SparkSession, ranges: list[ByteRange], namespaces: tuple[int, ...]
) -> DataFrame:
    """The pages of `namespaces`, one task a range, as rows of ARTICLES."""
    plan = spark.createDataFrame([(r.path, r.start, r.stop, r.kind) for r in ranges], RANGES)

    def read(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            for path, start, stop, kind in batch.itertuples(index=False):
                end = None if pd.isna(stop) else int(stop)
                source = f"{path}:{start}-{'' if end is None else end}"
                pages = read_pages(ByteRange(path, int(start), end, kind))
                chosen = (_row(page, source) for page in pages if page.namespace in namespaces)
                yield from _batches(chosen)

    # A range a task: Spark would otherwise put small rows such as these into one.
    return plan.repartitionByRange(len(ranges), "path", "start").mapInPandas(read, ARTICLES)


def _row(page: Page, source: str) -> tuple[object, ...]:
    text = "" if page.redirect else clean(page.text)
    return (
        page.page_id,
        page.revision_id,
        page.namespace,
        page.title,
        page.redirect,
        not page.redirect and is_disambiguation(page.text, page.title),
        page.timestamp,
        text,
        source,
    )


def _batches(rows: Iterator[tuple[object, ...]]) -> Iterator[pd.DataFrame]:
    held: list[tuple[object, ...]] = []
    for row in rows:
        held.append(row)
        if len(held) == ROWS:
            yield _frame(held)
            held = []
    if held:
        yield _frame(held)


def _frame(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=ARTICLES.names)
    return frame.assign(timestamp=pd.to_datetime(frame["timestamp"], utc=True))
