"""Reads a Wikipedia dump into ARTICLES: each task reads byte ranges of whole streams."""

from collections.abc import Iterator
from typing import Literal

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructField, StructType

from devise_lib.errors import InputError
from devise_lib.spark.tables.schemas import ARTICLES, REFUSED_RANGES
from devise_lib.storage.stores import this_access
from devise_lib.text.wikipedia.dump import ByteRange, Damage, Page, read_pages, read_whole_pages
from devise_lib.text.wikipedia.page_kinds import is_disambiguation
from devise_lib.text.wikipedia.wikitext import clean

BATCH_ROWS = 200
BATCH_CHARACTERS = 8_000_000  # the longest pages have a megabyte of text
RANGES = "path string, start long, stop long, is_last boolean, kind string, pages long"

# A task gives pages and refused ranges in one stream of rows, because a range is read once.
_REFUSED_COLUMNS = [name for name in REFUSED_RANGES.names if name != "run_id"]
READ = StructType(
    [StructField(f.name, f.dataType) for f in ARTICLES]
    + [StructField(f.name, f.dataType) for f in REFUSED_RANGES if f.name in _REFUSED_COLUMNS]
)

Row = tuple[object, ...]


def read_articles(
    spark: SparkSession,
    ranges: list[ByteRange],
    namespaces: tuple[int, ...],
    damaged: Literal["fail", "refuse"] = "fail",
    disambiguation_templates: tuple[str, ...] = (),
) -> DataFrame:
    """Return the pages of some namespaces, and the refused ranges, with one task per range.

    Args:
        spark: the session.
        ranges: the byte ranges of the dump.
        namespaces: numbers of the namespaces to read.
        damaged: "fail" raises at the first damage; "refuse" gives a row for each.
        disambiguation_templates: names of templates that mark disambiguation pages in this wiki,
            beside the known ones.

    Returns:
        The columns READ; `articles_of` and `refused_of` select the two kinds of rows.
    """
    plan = spark.createDataFrame(
        [(r.path, r.start, r.stop, r.is_last, r.kind, r.pages) for r in ranges], RANGES
    )
    access = this_access()

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        read_range = read_pages if damaged == "fail" else read_whole_pages
        for batch in batches:
            for row in batch.to_pylist():
                found = read_range(ByteRange(**row), access.open())
                source = f"{row['path']}:{row['start']}-{row['stop']}"
                yield from _batches(_rows(found, namespaces, disambiguation_templates, source))

    # One range per task. Otherwise Spark would put such small rows into one task.
    return plan.repartitionByRange(len(ranges), "path", "start").mapInArrow(read, READ)


def nothing_read(read: DataFrame, dump: str, namespaces: tuple[int, ...]) -> str:
    """Return why no article was read: the first damage, or no page of the namespaces."""
    damage = refused_of(read).select("start", "reason", "message").limit(1).collect()
    if not damage:
        return f"{dump} has no page of namespaces {list(namespaces)}"
    start, reason, message = damage[0]
    return f"{dump}: no page could be read: damaged from byte {start} on ({reason}): {message}"


def refuse_duplicate_pages(articles: DataFrame) -> None:
    """Raise InputError if a page id occurs twice.

    A folder may hold one wiki twice, or a file the history of its pages.

    Raises:
        InputError: the message has such an id, the files that it is from, and what to do.
    """
    file = F.regexp_replace("source", r":\d+-\d+$", "")
    counts = articles.groupBy("page_id").agg(
        F.count("*").alias("n"),
        F.count_distinct("revision_id"),
        F.array_sort(F.collect_set(file)),
    )
    duplicate = counts.where("n > 1").limit(1).collect()
    if duplicate:
        raise InputError(describe_duplicate_page(*duplicate[0]))


def describe_duplicate_page(page_id: str, times: int, revisions: int, files: list[str]) -> str:
    """Return why a page id occurs several times, by its files and revisions, and what to do."""
    comes = f"page id {page_id} occurs {times} times, want each page once"
    if len(files) > 1:
        return (
            f"{comes}: it is in {', '.join(files[:5])}; leave only one form of the dump, or of "
            "each wiki, in the folder"
        )
    if revisions > 1:
        return (
            f"{comes}: {files[0]} has {revisions} revisions of it as pages of their own, as "
            "exports of a history have; set parse_wikipedia.dump to a pages-articles dump, which "
            "has only the newest revision of each page"
        )
    return f"{comes}: {files[0]} holds the same page again; fetch the dump again"


def articles_of(read: DataFrame) -> DataFrame:
    """Return the rows of ARTICLES among those of `read_articles`."""
    return read.where("reason IS NULL").select(*ARTICLES.names)


def refused_of(read: DataFrame) -> DataFrame:
    """Return the rows of REFUSED_RANGES among those of `read_articles`, without their run."""
    return read.where("reason IS NOT NULL").select(*_REFUSED_COLUMNS)


def _rows(
    found: Iterator[Page | Damage] | Iterator[Page],
    namespaces: tuple[int, ...],
    templates: tuple[str, ...],
    source: str,
) -> Iterator[Row]:
    for each in found:
        if isinstance(each, Damage):
            yield (*[None] * len(ARTICLES), *_refused(each))
        elif each.namespace in namespaces:
            yield (*_article(each, templates), source, *[None] * len(_REFUSED_COLUMNS))


def _article(page: Page, templates: tuple[str, ...]) -> Row:
    is_article = page.redirect is None
    return (
        page.page_id,
        page.revision_id,
        page.namespace,
        page.title,
        page.redirect,
        is_article and is_disambiguation(page.text, page.title, templates),
        page.timestamp,
        clean(page.text, page.site) if is_article else "",
    )


def _refused(damage: Damage) -> Row:
    last, first = damage.last_page, damage.first_page
    return (
        damage.path,
        damage.start,
        damage.stop,
        damage.reason,
        damage.message,
        last and last.page_id,
        last and last.title,
        first and first.page_id,
        first and first.title,
        damage.pages_lost,
    )


def _batches(rows: Iterator[Row]) -> Iterator[pa.RecordBatch]:
    held: list[Row] = []
    characters = 0
    for row in rows:
        held.append(row)
        characters += sum(len(value) for value in row if isinstance(value, str))
        if len(held) == BATCH_ROWS or characters > BATCH_CHARACTERS:
            yield _batch(held)
            held, characters = [], 0
    if held:
        yield _batch(held)


def _batch(rows: list[Row]) -> pa.RecordBatch:
    schema = to_arrow_schema(READ)
    columns = [pa.array(c, f.type) for c, f in zip(zip(*rows, strict=True), schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
