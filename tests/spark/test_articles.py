import pytest

from devise_lib.config_words import ParseWikipedia
from devise_lib.errors import InputError
from devise_lib.sample.dump import write_dump
from devise_lib.spark.articles import read_articles
from devise_lib.spark.tables import Tables
from devise_lib.text.dump import plan_ranges, read_pages
from devise_lib.text.wikitext import clean, is_disambiguation
from jobs import parse_wikipedia

pytestmark = pytest.mark.spark

ARTICLES = 60


@pytest.fixture(scope="module")
def dump(tmp_path_factory) -> str:
    path, _ = write_dump(tmp_path_factory.mktemp("dump"), ARTICLES, seed=2, pages_a_stream=7)
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
    assert len(rows) > ARTICLES
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
    articles = read_articles(spark, ranges, (0, 1, 10, 14))
    assert articles.rdd.getNumPartitions() == tasks
    rows = articles.collect()
    kept = {i: row for i, row in wanted.items() if row[0] in (0, 1, 10, 14)}
    assert as_dict(rows) == kept
    assert len({row["source"] for row in rows}) == tasks
    assert all(row["source"].startswith(f"{dump}:") for row in rows)


def test_only_the_namespaces_asked_for_are_kept_with_redirects_and_disambiguations(
    spark, dump, wanted
):
    rows = read_articles(spark, plan_ranges(dump, None, 2), (0,)).collect()
    assert as_dict(rows) == {i: row for i, row in wanted.items() if row[0] == 0}
    assert any(row["redirect"] for row in rows)
    assert any(row["is_disambiguation"] for row in rows)
    assert not any(row["redirect"] and row["text"] for row in rows)
    assert all(row["timestamp"].year >= 2001 for row in rows)
    assert all(row["revision_id"].isdigit() for row in rows)


def test_the_job_replaces_articles_and_leaves_them_where_the_dump_has_none(
    spark, dump, tmp_path, monkeypatch
):
    monkeypatch.setattr(parse_wikipedia.tracking, "log_params", lambda _: None)
    config = ParseWikipedia(dump=dump, work_dir=str(tmp_path), tasks=3)
    tables = Tables.of(spark, config)
    assert parse_wikipedia.run(spark, config)["byte ranges"] == 3
    first = sorted(tables.read("articles").collect())
    assert len(first) > ARTICLES
    parse_wikipedia.run(spark, config)
    assert sorted(tables.read("articles").collect()) == first

    nothing = config.model_copy(update={"namespaces": (99,)})
    with pytest.raises(InputError, match=r"has no page of namespaces \[99\]"):
        parse_wikipedia.run(spark, nothing)
    assert sorted(tables.read("articles").collect()) == first
