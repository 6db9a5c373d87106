import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

from devise_lib.config.words import ParseWikipedia
from devise_lib.errors import InputError
from devise_lib.sample.dump import write_dump
from jobs import parse_wikipedia
from tests.rows import read_rows

pytestmark = pytest.mark.spark

ARTICLE_COUNT = 60


@contextmanager
def no_tracking():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parse_wikipedia.tracking, "log_params", lambda _: None)
        patch.setattr(parse_wikipedia.tracking, "current_run_id", lambda: "run-1")
        yield


@pytest.fixture(autouse=True)
def without_tracking():
    with no_tracking():
        yield


@pytest.fixture(scope="module")
def whole_dump(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dump")
    path, _ = write_dump(folder, ARTICLE_COUNT, seed=2, pages_a_stream=7)
    return path


@pytest.fixture
def dump(whole_dump) -> Path:
    """The dump, mended after a test that damages it: ARTICLES tell where it lies."""
    data = whole_dump.read_bytes()
    yield whole_dump
    whole_dump.write_bytes(data)


@pytest.fixture(scope="module")
def parsed(spark, whole_dump, tmp_path_factory) -> tuple[Path, dict[str, int]]:
    """A work folder as a run over the dump left it, and what the run counted."""
    folder = tmp_path_factory.mktemp("parsed")
    config = ParseWikipedia(dump=str(whole_dump), work_dir=str(folder), tasks=3)
    with no_tracking():
        return folder, parse_wikipedia.run(spark, config)


@pytest.fixture
def work(parsed, tmp_path) -> str:
    """A copy of that folder."""
    return str(shutil.copytree(parsed[0], tmp_path / "work"))


def articles(work_dir) -> list[dict]:
    return sorted(read_rows(work_dir, "articles"), key=lambda row: row["page_id"])


def flip_a_bit_in_the_middle(dump):
    data = bytearray(dump.read_bytes())
    data[len(data) // 2] ^= 8
    dump.write_bytes(data)


def test_replaces_articles_and_leaves_them_where_the_dump_has_none(spark, dump, parsed, work):
    counts = parsed[1]
    assert (counts["byte ranges"], counts["refused ranges"]) == (3, 0)
    first = articles(work)
    assert len(first) == counts["articles"] > ARTICLE_COUNT
    assert not read_rows(work, "refused_ranges")
    spark.catalog.clearCache()  # of other tests
    config = ParseWikipedia(dump=f"file://{dump}", work_dir=work, tasks=3)
    parse_wikipedia.run(spark, config)
    assert articles(work) == first

    nothing = config.model_copy(update={"namespaces": (99,)})
    with pytest.raises(InputError, match=r"has no page of namespaces \[99\]"):
        parse_wikipedia.run(spark, nothing)
    assert articles(work) == first
    assert spark._jsparkSession.sharedState().cacheManager().isEmpty()  # nothing stays on the disk


def test_by_default_the_dump_is_cut_for_the_cores_of_the_session(spark, dump, tmp_path):
    config = ParseWikipedia(dump=str(dump), work_dir=str(tmp_path))
    counts = parse_wikipedia.run(spark, config)
    assert counts["byte ranges"] == 2 * spark.sparkContext.defaultParallelism


def test_a_damaged_dump_fails_the_job_and_leaves_the_tables_or_is_listed_until_it_is_mended(
    spark, dump, work
):
    config = ParseWikipedia(dump=str(dump), work_dir=work, tasks=3)
    whole = dump.read_bytes()
    before = articles(work)

    flip_a_bit_in_the_middle(dump)
    with pytest.raises(Exception, match="damaged from byte"):
        parse_wikipedia.run(spark, config)
    assert articles(work) == before

    refuse = config.model_copy(update={"damaged": "refuse"})
    counts = parse_wikipedia.run(spark, refuse)
    [refused] = read_rows(work, "refused_ranges")
    assert (refused["path"], refused["reason"], refused["run_id"]) == (
        str(dump),
        "corrupt",
        "run-1",
    )
    assert counts["refused ranges"] == 1
    kept = articles(work)
    assert 0 < len(before) - len(kept) <= refused["pages_lost"] <= 7
    assert {row["page_id"] for row in kept} < {row["page_id"] for row in before}
    text = {row["page_id"]: row["text"] for row in before}
    assert all(text[row["page_id"]] == row["text"] for row in kept)

    dump.write_bytes(whole)
    assert parse_wikipedia.run(spark, refuse)["refused ranges"] == 0
    assert not read_rows(work, "refused_ranges")
    assert articles(work) == before


def test_a_folder_that_holds_a_wiki_twice_is_refused_and_the_table_stays(
    spark, dump, work, tmp_path
):
    folder = tmp_path / "parts"
    folder.mkdir()
    for name in ("w-pages-articles.xml.bz2", "w-pages-articles-multistream.xml.bz2"):
        (folder / name).write_bytes(dump.read_bytes())
    before = articles(work)
    with pytest.raises(
        InputError, match=r"occurs 2 times.* it is in .*articles-multistream.*w-pages-art"
    ):
        parse_wikipedia.run(spark, ParseWikipedia(dump=str(folder), work_dir=work))
    assert before
    assert articles(work) == before


def test_a_dump_of_which_nothing_can_be_read_is_told_with_the_damage(spark, dump, tmp_path):
    cut = tmp_path / "cut.xml.bz2"
    cut.write_bytes(dump.read_bytes()[:60])
    config = ParseWikipedia(dump=str(cut), work_dir=str(tmp_path), damaged="refuse")
    with pytest.raises(InputError, match=r"no page could be read: damaged from byte 0 on \(trunc"):
        parse_wikipedia.run(spark, config)
