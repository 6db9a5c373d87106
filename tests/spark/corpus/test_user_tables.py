import pytest

from devise_lib.errors import InputError
from devise_lib.spark.corpus.user_tables import (
    count_left_out,
    read_source,
    read_tags,
    read_texts,
    running_text,
)
from devise_lib.spark.tables.schemas import ARTICLES

pytestmark = pytest.mark.spark


def article(page_id, text, redirect=None, meanings=False):
    return page_id, "1", 0, f"title {page_id}", redirect, meanings, None, text, "dump"


def test_running_text_is_neither_redirect_nor_disambiguation_and_the_rest_is_counted(spark):
    rows = [
        article("1", "one two"),
        article("2", "one two", meanings=None),
        article("3", "one two", redirect="other"),
        article("4", "one two", meanings=True),
        article("5", "one two", redirect="other", meanings=True),
    ]
    articles = spark.createDataFrame(rows, ARTICLES)
    kept = sorted(tuple(row) for row in running_text(articles).collect())
    assert kept == [("1", "one two"), ("2", "one two")]
    assert count_left_out(articles) == {"redirect": 2, "disambiguation": 1}


def test_a_source_is_delta_or_parquet_or_a_table_of_the_catalog(spark, tmp_path):
    rows = spark.createDataFrame([(7, "text")], "id int, body string")
    for kind in ("delta", "parquet"):
        rows.write.format(kind).save(str(tmp_path / kind))
        assert read_source(spark, str(tmp_path / kind), is_table=False).collect() == rows.collect()
    (tmp_path / "some.csv").write_text('n,body\n7,"a ""text"", of\ntwo lines"\n', encoding="utf-8")
    [row] = read_source(spark, str(tmp_path / "some.csv"), is_table=False).collect()
    assert row.asDict() == {"n": "7", "body": 'a "text", of\ntwo lines'}
    rows.createOrReplaceTempView("my_texts")
    assert read_source(spark, "my_texts", is_table=True).collect() == rows.collect()
    spark.catalog.dropTempView("my_texts")


def test_a_source_that_is_not_there_is_named(spark, tmp_path):
    with pytest.raises(InputError, match=r"no table 'main\.none'"):
        read_source(spark, "main.none", is_table=True)
    empty = tmp_path / "none"
    for name in (str(empty), "none"):
        with pytest.raises(InputError, match=r"none cannot be read as .*prepare_corpus\.source"):
            read_source(spark, name, is_table=False)
    empty.mkdir()
    with pytest.raises(InputError, match="cannot be read as a Delta table, as Parquet"):
        read_source(spark, str(empty), is_table=False)


def test_texts_have_their_ids_as_strings_and_no_null(spark):
    table = spark.createDataFrame([(7, "text", 1), (8, None, 2)], "n int, body string, x int")
    rows = read_texts(table, "n", "body").collect()
    assert [row.asDict() for row in rows] == [
        {"page_id": "7", "text": "text"},
        {"page_id": "8", "text": ""},
    ]


def test_texts_without_their_columns_or_ids_are_refused(spark):
    table = spark.createDataFrame([(1, "a"), (1, "b"), (2, "c")], "n int, body string")
    with pytest.raises(
        InputError, match=r"id_column is 'id' and text_column is 'text', .* n, body"
    ):
        read_texts(table, "id", "text")
    with pytest.raises(InputError, match="text_column 'n' is int, want string"):
        read_texts(table, "body", "n")
    with pytest.raises(InputError, match=r"'n' holds '1' in 2 rows"):
        read_texts(table, "n", "body")
    unnamed = spark.createDataFrame([(None, "a")], "n int, body string")
    with pytest.raises(InputError, match=r"'n' holds 'null'"):
        read_texts(unnamed, "n", "body")


def test_tags_come_as_lists_or_as_strings_with_a_separator(spark):
    lists = spark.createDataFrame([(1, ["sea", "New York"])], "id int, tags array<string>")
    [row] = read_tags(lists, "id", "tags", "", "").collect()
    assert (row["page_id"], row["owner"], row["tags"]) == ("1", None, ["sea", "New York"])
    schema = "id int, tags string, who int"
    strings = spark.createDataFrame([(1, "sea|New York", 9), (2, None, 9)], schema)
    rows = read_tags(strings, "id", "tags", "|", "who").collect()
    assert [tuple(row) for row in rows] == [("1", "9", ["sea", "New York"]), ("2", "9", None)]


def test_tags_of_another_type_and_owners_that_are_not_there_are_refused(spark):
    strings = spark.createDataFrame([(1, "sea,snow")], "id int, tags string")
    with pytest.raises(InputError, match=r"'tags' is string: want array<string>, or string with"):
        read_tags(strings, "id", "tags", "", "")
    with pytest.raises(InputError, match="'id' is int"):
        read_tags(strings, "tags", "id", ",", "")
    with pytest.raises(InputError, match=r"owner_column is 'who', .* id, tags"):
        read_tags(strings, "id", "tags", ",", "who")
