import pytest

from devise_lib.config_words import ParseWikipedia
from devise_lib.errors import InputError
from devise_lib.sample.dump import write_dump
from devise_lib.spark.tables import Tables
from jobs import parse_wikipedia

pytestmark = pytest.mark.spark

ARTICLE_COUNT = 60


@pytest.fixture(autouse=True)
def without_tracking(monkeypatch):
    monkeypatch.setattr(parse_wikipedia.tracking, "log_params", lambda _: None)
    monkeypatch.setattr(parse_wikipedia.tracking, "current_run_id", lambda: "run-1")


@pytest.fixture
def dump(tmp_path):
    path, _ = write_dump(tmp_path / "dump", ARTICLE_COUNT, seed=2, pages_a_stream=7)
    return path


def flip_a_bit_in_the_middle(dump):
    data = bytearray(dump.read_bytes())
    data[len(data) // 2] ^= 8
    dump.write_bytes(data)


def test_replaces_articles_and_leaves_them_where_the_dump_has_none(spark, dump, tmp_path):
    spark.catalog.clearCache()  # of other tests
    config = ParseWikipedia(dump=f"file://{dump}", work_dir=str(tmp_path), tasks=3)
    tables = Tables.of(spark, config)
    counts = parse_wikipedia.run(spark, config)
    assert (counts["byte ranges"], counts["refused ranges"]) == (3, 0)
    first = sorted(tables.read("articles").collect())
    assert len(first) == counts["articles"] > ARTICLE_COUNT
    assert tables.read("refused_ranges").count() == 0
    parse_wikipedia.run(spark, config)
    assert sorted(tables.read("articles").collect()) == first

    nothing = config.model_copy(update={"namespaces": (99,)})
    with pytest.raises(InputError, match=r"has no page of namespaces \[99\]"):
        parse_wikipedia.run(spark, nothing)
    assert sorted(tables.read("articles").collect()) == first
    assert spark._jsparkSession.sharedState().cacheManager().isEmpty()  # nothing stays on the disk


def test_by_default_the_dump_is_cut_for_the_cores_of_the_session(spark, dump, tmp_path):
    config = ParseWikipedia(dump=str(dump), work_dir=str(tmp_path))
    counts = parse_wikipedia.run(spark, config)
    assert counts["byte ranges"] == 2 * spark.sparkContext.defaultParallelism


def test_a_damaged_dump_fails_the_job_and_leaves_the_tables_or_is_listed_until_it_is_mended(
    spark, dump, tmp_path
):
    config = ParseWikipedia(dump=str(dump), work_dir=str(tmp_path), tasks=3)
    tables = Tables.of(spark, config)
    parse_wikipedia.run(spark, config)
    whole = dump.read_bytes()
    before = sorted(tables.read("articles").collect())

    flip_a_bit_in_the_middle(dump)
    with pytest.raises(Exception, match="damaged from byte"):
        parse_wikipedia.run(spark, config)
    assert sorted(tables.read("articles").collect()) == before

    refuse = config.model_copy(update={"damaged": "refuse"})
    counts = parse_wikipedia.run(spark, refuse)
    [refused] = tables.read("refused_ranges").collect()
    assert (refused["path"], refused["reason"], refused["run_id"]) == (
        str(dump),
        "corrupt",
        "run-1",
    )
    assert counts["refused ranges"] == 1
    kept = tables.read("articles").collect()
    assert 0 < len(before) - len(kept) <= refused["pages_lost"] <= 7
    assert {row["page_id"] for row in kept} < {row["page_id"] for row in before}
    text = {row["page_id"]: row["text"] for row in before}
    assert all(text[row["page_id"]] == row["text"] for row in kept)

    dump.write_bytes(whole)
    assert parse_wikipedia.run(spark, refuse)["refused ranges"] == 0
    assert tables.read("refused_ranges").count() == 0
    assert sorted(tables.read("articles").collect()) == before


def test_a_folder_that_holds_a_wiki_twice_is_refused_and_the_table_stays(spark, dump, tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    for name in ("w-pages-articles.xml.bz2", "w-pages-articles-multistream.xml.bz2"):
        (folder / name).write_bytes(dump.read_bytes())
    config = ParseWikipedia(dump=str(dump), work_dir=str(tmp_path))
    tables = Tables.of(spark, config)
    parse_wikipedia.run(spark, config)
    before = sorted(tables.read("articles").collect())
    with pytest.raises(
        InputError, match=r"comes 2 times, from .*articles-multistream.*w-pages-art"
    ):
        parse_wikipedia.run(spark, config.model_copy(update={"dump": str(folder)}))
    assert sorted(tables.read("articles").collect()) == before


def test_a_dump_of_which_nothing_can_be_read_is_told_with_the_damage(spark, dump, tmp_path):
    cut = tmp_path / "cut.xml.bz2"
    cut.write_bytes(dump.read_bytes()[:60])
    config = ParseWikipedia(dump=str(cut), work_dir=str(tmp_path), damaged="refuse")
    with pytest.raises(InputError, match=r"no page could be read: damaged from byte 0 on \(trunc"):
        parse_wikipedia.run(spark, config)
