import re

import pytest

from devise_lib.command_line import find_input_error
from devise_lib.sample.dump import write_dump
from devise_lib.spark.corpus.articles import (
    articles_of,
    describe_duplicate_page,
    read_articles,
    refused_of,
)
from devise_lib.spark.tables.schemas import ARTICLES, REFUSED_RANGES
from devise_lib.text.wikipedia.dump import DumpDamagedError, plan_ranges, read_pages
from devise_lib.text.wikipedia.page_kinds import is_disambiguation
from devise_lib.text.wikipedia.wikitext import clean
from tests.text.wikipedia.dumps import numbered, write_multistream

pytestmark = pytest.mark.spark

ARTICLE_COUNT = 60


@pytest.fixture(scope="module")
def dump(tmp_path_factory) -> str:
    path, _ = write_dump(tmp_path_factory.mktemp("dump"), ARTICLE_COUNT, seed=2, pages_a_stream=7)
    return str(path)


@pytest.fixture(scope="module")
def wanted(dump):
    """What a plain loop over the dump gives, by page id."""
    [whole] = plan_ranges(dump, None, 1)
    rows = {}
    for page in read_pages(whole):
        text = "" if page.redirect else clean(page.text)
        meanings = not page.redirect and is_disambiguation(page.text, page.title)
        rows[page.page_id] = (page.namespace, page.title, page.redirect, meanings, text)
    assert len(rows) > ARTICLE_COUNT
    return rows


def as_dict(rows):
    columns = ("namespace", "title", "redirect", "is_disambiguation", "text")
    found = {row["page_id"]: tuple(row[name] for name in columns) for row in rows}
    assert len(found) == len(rows), "no page twice"
    return found


@pytest.mark.parametrize("tasks", [1, 3, 7])
def test_any_number_of_tasks_gives_the_pages_of_a_plain_loop(spark, dump, wanted, tasks):
    ranges = plan_ranges(dump, None, tasks)
    assert len(ranges) == tasks
    articles = articles_of(read_articles(spark, ranges, (0, 1, 10, 14)))
    assert articles.schema.names == ARTICLES.names
    assert articles.rdd.getNumPartitions() == tasks
    rows = articles.collect()
    kept = {i: row for i, row in wanted.items() if row[0] in (0, 1, 10, 14)}
    assert as_dict(rows) == kept
    assert len({row["source"] for row in rows}) == tasks
    assert all(row["source"].startswith(f"{dump}:") for row in rows)


def test_only_the_namespaces_asked_for_are_kept_with_redirects_and_disambiguations(
    spark, dump, wanted
):
    rows = articles_of(read_articles(spark, plan_ranges(dump, None, 2), (0,))).collect()
    assert as_dict(rows) == {i: row for i, row in wanted.items() if row[0] == 0}
    assert any(row["redirect"] for row in rows)
    assert any(row["is_disambiguation"] for row in rows)
    assert not any(row["redirect"] and row["text"] for row in rows)
    assert all(row["timestamp"].year >= 2001 for row in rows)
    assert all(row["revision_id"].isdigit() for row in rows)


def test_pages_beyond_a_batch_and_of_great_length_all_arrive(spark, tmp_path):
    long = range(0, 200, 50)  # together more characters than a batch holds, in fewer rows
    pages = [(f"page {n}", "word " * (500_000 if n in long else 10)) for n in range(450)]
    dump = write_multistream(tmp_path / "d.xml.bz2", numbered(pages))
    rows = articles_of(read_articles(spark, plan_ranges(str(dump), None, 1), (0,))).collect()
    assert [(row["title"], len(row["text"])) for row in rows] == [
        (title, len(text) - 1) for title, text in pages
    ]


@pytest.mark.parametrize(
    ("revisions", "files", "says"),
    [
        (1, ["/d/a.xml", "/d/b.xml"], "it is in /d/a.xml, /d/b.xml; leave only one form"),
        (3, ["/d/a.xml"], "3 revisions of it as pages of their own.* to a pages-articles dump"),
        (1, ["/d/a.xml"], "holds the same page again; fetch the dump again"),
    ],
)
def test_a_doubled_page_is_told_with_the_kind_of_dump_that_has_it(revisions, files, says):
    """Kind of fault: a message supposes one cause where there are several."""
    message = describe_duplicate_page("1", 3, revisions, files)
    assert re.search(rf"^page id 1 occurs 3 times, want each page once: .*{says}", message)


@pytest.fixture
def damaged(tmp_path) -> str:
    """A dump of 10 streams of 3 pages, in the sixth of which a bit is flipped."""
    groups = numbered(*([(f"page {3 * n + k}", "text " * 40) for k in range(3)] for n in range(10)))
    index = tmp_path / "d-index.txt"
    dump = write_multistream(tmp_path / "d.xml.bz2", groups, index)
    head = int(index.read_text(encoding="utf-8").splitlines()[15].partition(":")[0])
    data = bytearray(dump.read_bytes())
    data[head + 60] ^= 8
    dump.write_bytes(data)
    return str(dump)


@pytest.mark.parametrize("tasks", [1, 4])
def test_damage_fails_the_reading_with_its_place_or_is_a_row_of_its_own(spark, damaged, tasks):
    ranges = plan_ranges(damaged, None, tasks)
    with pytest.raises(Exception, match="DumpDamagedError") as raised:
        read_articles(spark, ranges, (0,)).collect()
    error = find_input_error(raised.value)
    assert f"{damaged}: damaged from byte" in str(error)
    assert "damaged=refuse" in str(error)
    assert not isinstance(error, DumpDamagedError)  # it came as text

    read = read_articles(spark, ranges, (0,), "refuse")
    titles = {row["title"] for row in articles_of(read).collect()}
    assert titles == {f"page {n}" for n in range(30) if n not in (15, 16, 17)}
    [row] = refused_of(read).collect()
    assert row.asDict().keys() == set(REFUSED_RANGES.names) - {"run_id"}
    assert (row["path"], row["reason"], row["pages_lost"]) == (damaged, "corrupt", 3)
    at_an_edge = set() if tasks == 1 else {None}  # of a range: what is beyond is not known there
    assert row["first_title"] in {"page 18"} | at_an_edge
    assert row["last_title"] in {"page 14"} | at_an_edge
    assert 0 < row["start"] < row["stop"]
