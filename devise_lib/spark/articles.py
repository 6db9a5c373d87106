"""A Wikipedia dump to ARTICLES: each task reads byte ranges of whole streams."""

from collections.abc import Iterator
from typing import Literal

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructField, StructType

from devise_lib.errors import InputError
from devise_lib.spark.hadoop_files import WorkerFiles
from devise_lib.spark.schemas import ARTICLES, REFUSED_RANGES
from devise_lib.text.dump import ByteRange, Damage, Page, read_pages, read_whole_pages
from devise_lib.text.wikitext import clean, is_disambiguation

BATCH_ROWS = 200
BATCH_CHARACTERS = 8_000_000  # the longest pages have a megabyte of text
RANGES = "path string, start long, stop long, is_last boolean, kind string, pages long"

# A task gives pages and refused ranges in one stream of rows: a range is read once.
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
    files: WorkerFiles | None = None,
) -> DataFrame:
    """The pages of `namespaces` and the ranges that were refused, one task a range.

    Columns of READ; `articles_of` and `refused_of` tell the two kinds of rows apart.
    """
    plan = spark.createDataFrame(
        [(r.path, r.start, r.stop, r.is_last, r.kind, r.pages) for r in ranges], RANGES
    )
    opener = files or WorkerFiles()

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        read_range = read_pages if damaged == "fail" else read_whole_pages
        for batch in batches:
            for row in batch.to_pylist():
                found = read_range(ByteRange(**row), opener.open())
                yield from _batches(
                    _rows(found, namespaces, f"{row['path']}:{row['start']}-{row['stop']}")
                )

    # A range a task: Spark would otherwise put small rows such as these into one.
    return plan.repartitionByRange(len(ranges), "path", "start").mapInArrow(read, READ)


def nothing_read(read: DataFrame, dump: str, namespaces: tuple[int, ...]) -> str:
    """Why a reading gave no article: the first damage, or no page of the namespaces."""
    damage = refused_of(read).select("start", "reason", "message").limit(1).collect()
    if not damage:
        return f"{dump} has no page of namespaces {list(namespaces)}"
    start, reason, message = damage[0]
    return f"{dump}: no page could be read: damaged from byte {start} on ({reason}): {message}"


def refuse_doubled_pages(articles: DataFrame) -> None:
    """Each id names one page: a folder may hold the same wiki twice.

    Raises:
        InputError: with an id that comes twice, and where from.
    """
    counts = articles.groupBy("page_id").agg(F.count("*").alias("n"), F.collect_set("source"))
    doubled = counts.where("n > 1").limit(1).collect()
    if doubled:
        page_id, times, sources = doubled[0]
        raise InputError(
            f"page id {page_id} comes {times} times, from {', '.join(sorted(sources)[:5])}: want "
            "each page once; leave one packing of the dump, or of each wiki, in the folder"
        )


def articles_of(read: DataFrame) -> DataFrame:
    """The rows of ARTICLES."""
    return read.where("reason IS NULL").select(*ARTICLES.names)


def refused_of(read: DataFrame) -> DataFrame:
    """The rows of REFUSED_RANGES, less their run."""
    return read.where("reason IS NOT NULL").select(*_REFUSED_COLUMNS)


def _rows(
    found: Iterator[Page | Damage] | Iterator[Page], namespaces: tuple[int, ...], source: str
) -> Iterator[Row]:
    for each in found:
        if isinstance(each, Damage):
            yield (*[None] * len(ARTICLES), *_refused(each))
        elif each.namespace in namespaces:
            yield (*_article(each), source, *[None] * len(_REFUSED_COLUMNS))


def _article(page: Page) -> Row:
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
