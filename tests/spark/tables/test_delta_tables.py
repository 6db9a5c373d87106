"""Reading and writing tables, on a session: what Delta makes of it is the subject."""

import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from devise_lib.config.words import EmbedLabels
from devise_lib.errors import InputError, SchemaError
from devise_lib.spark.platform.session import session_settings
from devise_lib.spark.tables import delta_tables as tables_module
from devise_lib.spark.tables.conformity import conform
from devise_lib.spark.tables.delta_log import TableSize, last_change, size
from devise_lib.spark.tables.delta_tables import Tables, count_by
from devise_lib.spark.tables.schemas import METRICS, SCHEMAS, WORD_VECTORS
from tests.rows import read_rows

pytestmark = pytest.mark.spark

NAME = "word_vectors"


@pytest.fixture
def tables(spark, tmp_path) -> Tables:
    return Tables.of(spark, EmbedLabels(work_dir=f"{tmp_path}/", seed=5), run_id="run-1")


def words(spark, *rows):
    """A row of WORD_VECTORS for each (word, count)."""
    return spark.createDataFrame([(w, n, n, [float(n), 0.5]) for w, n in rows], WORD_VECTORS)


def read(tables, version=None, name=NAME):
    rows = tables.read(name, version).orderBy("word").collect()
    return [(row["word"], row["count"]) for row in rows]


def stored(tables) -> list[tuple[str, int]]:
    """The same of the newest version; without Spark, in no time."""
    rows = read_rows(tables.work_dir, NAME, ["word", "count"])
    return sorted((row["word"], row["count"]) for row in rows)


def test_a_table_that_is_not_there_is_told_with_its_place(tables, tmp_path):
    assert not tables.exists(NAME)
    for ask in (tables.exists, tables.path, tables.folder):
        with pytest.raises(KeyError, match="no table 'word_vektors' in"):
            ask("word_vektors")
    place = f"{tmp_path}/tables/word_vectors"
    with pytest.raises(InputError, match=f"no table word_vectors at {place}: run train_word2vec"):
        tables.read(NAME)


def test_a_table_that_no_schema_names_is_a_fault_of_ours(tables):
    with pytest.raises(KeyError, match="no table 'wordvectors'"):
        tables.path("wordvectors")


def test_a_wrong_schema_lists_every_fault_at_once_and_writes_nothing(tables, spark):
    wrong = spark.createDataFrame([("a", "7", True)], "word string, count string, extra boolean")
    with pytest.raises(SchemaError) as raised:
        tables.overwrite(NAME, wrong)
    assert str(raised.value) == (
        "table word_vectors: count is string, want bigint; rank is missing, want int; "
        "vector is missing, want array<float>"
    )
    assert not tables.exists(NAME)


def test_a_table_of_an_older_schema_takes_on_todays_when_it_is_replaced(tables, spark):
    old = spark.createDataFrame([("a", 7)], "word string, count long")
    old.write.format("delta").save(tables.path(NAME))
    assert tables.overwrite(NAME, words(spark, ("b", 8))) == 1
    assert stored(tables) == [("b", 8)]
    assert spark.read.format("delta").load(tables.path(NAME)).columns == WORD_VECTORS.names


def test_columns_come_in_the_order_of_the_schema_and_others_are_dropped(spark):
    df = spark.createDataFrame([(1, "a", 1)], "count long, word string, rank int")
    df = df.withColumns({"vector": F.array(F.lit(1.0).cast("float")), "x": F.lit(3)})
    assert conform(df, WORD_VECTORS, NAME).columns == WORD_VECTORS.names


def test_rows_are_replaced_added_and_counted_and_old_versions_stay(tables, spark):
    assert tables.overwrite(NAME, words(spark, ("a", 1), ("b", 2))) == 2
    assert tables.append(NAME, words(spark, ("c", 3))) == 1
    assert tables.overwrite(NAME, words(spark, ("d", 4))) == 1
    assert tables.version(NAME) == 2
    assert read(tables) == [("d", 4)]
    assert read(tables, version=1) == [("a", 1), ("b", 2), ("c", 3)]
    assert read(tables, version=0) == [("a", 1), ("b", 2)]


def test_a_part_of_a_table_is_replaced_in_one_commit(tables, spark):
    tables.overwrite(NAME, words(spark, ("a", 1), ("b", 2)), where="count = 1")  # the first write
    rows = words(spark, ("c", 1), ("d", 1))
    assert tables.overwrite(NAME, rows, where="count = 1") == 2  # b, copied, is not counted
    assert stored(tables) == [("b", 2), ("c", 1), ("d", 1)]
    assert tables.version(NAME) == 1


def test_a_part_is_replaced_by_rows_of_that_part_only(tables, spark):
    tables.overwrite(NAME, words(spark, ("a", 1), ("b", 2)))
    with pytest.raises(Exception, match="count = 1"):
        tables.overwrite(NAME, words(spark, ("c", 2)), where="count = 1")
    assert stored(tables) == [("a", 1), ("b", 2)]


def test_a_transaction_written_twice_adds_its_rows_once(tables, spark):
    once = {"txnAppId": "stream", "txnVersion": 3}
    assert tables.append(NAME, words(spark, ("a", 1)), **once) == 1
    assert tables.append(NAME, words(spark, ("a", 1)), **once) == 0
    assert tables.append(NAME, words(spark, ("z", 1)), **{**once, "txnVersion": 2}) == 0
    assert tables.append(NAME, words(spark, ("b", 1)), **{**once, "txnVersion": 4}) == 1
    assert tables.append(NAME, words(spark, ("c", 1)), **{**once, "txnAppId": "other"}) == 1
    assert stored(tables) == [("a", 1), ("b", 1), ("c", 1)]


def test_a_table_is_made_empty_once(tables, spark):
    tables.create_if_missing(NAME)
    assert stored(tables) == []
    tables.append(NAME, words(spark, ("a", 1)))
    tables.create_if_missing(NAME)
    assert stored(tables) == [("a", 1)]


def comments(schema: StructType) -> dict[str, str]:
    return {field.name: field.metadata.get("comment", "") for field in schema}


def test_every_column_keeps_its_comment_through_every_kind_of_write(tables, spark):
    # As computed: without comments.
    types = "word string, count long, rank int, vector array<float>"
    plain = spark.createDataFrame([("a", 1, 1, [0.5])], types)
    assert set(comments(plain.schema).values()) == {""}
    for write in (
        lambda: tables.append(NAME, plain),
        lambda: tables.overwrite(NAME, plain),
        lambda: tables.append(NAME, plain),
        lambda: tables.overwrite(NAME, plain, where="count = 1"),
    ):
        write()
        stored = spark.read.format("delta").load(tables.path(NAME)).schema
        assert comments(stored) == comments(WORD_VECTORS)
    assert all(comments(schema)[name] for schema in SCHEMAS.values() for name in schema.names)


def test_the_log_of_a_commit_says_what_made_it(tables, spark):
    tables.overwrite(NAME, words(spark, ("a", 1)))
    path = tables.path(NAME)
    [entry] = spark.sql(f"DESCRIBE HISTORY delta.`{path}`").collect()
    told = json.loads(entry["userMetadata"])
    assert len(told.pop("commit")) == 32
    assert told == {"job": "embed_labels", "seed": 5, "run_id": "run-1"}


def test_tables_lie_where_python_finds_them_whatever_sparks_default_store_is(tables, spark):
    """Else Spark would replace a whole table of which Python does not know that it is there."""
    tables.append(NAME, words(spark, ("a", 1), ("b", 2)))
    hadoop = spark._jsc.hadoopConfiguration()
    hadoop.set("fs.defaultFS", "viewfs://elsewhere")
    try:
        assert tables.path(NAME) == f"file:{tables.folder(NAME)}"
        tables.overwrite(NAME, words(spark, ("b", 3)), where="word = 'b'")
        assert read(tables) == [("a", 1), ("b", 3)]
    finally:
        hadoop.unset("fs.defaultFS")


def test_a_commit_that_delta_makes_by_itself_after_ours_is_not_taken_for_ours(tables, spark):
    for word in "abd":
        tables.append(NAME, words(spark, (word, 1)).coalesce(1))
    packing = {
        "spark.databricks.delta.autoCompact.enabled": "true",
        "spark.databricks.delta.autoCompact.minNumFiles": "2",
    }
    with session_settings(spark, packing):
        metrics = tables.merge(
            NAME,
            words(spark, ("a", 5), ("c", 6)),
            "t.word = s.word",
            lambda merge: merge.whenMatchedUpdateAll().whenNotMatchedInsertAll(),
        )
    assert next(tables.commits(NAME)).operation == "OPTIMIZE"
    assert (metrics["numTargetRowsUpdated"], metrics["numTargetRowsInserted"]) == (1, 1)


def test_a_merge_tells_what_it_changed_and_commits_nothing_where_it_changes_nothing(tables, spark):
    tables.append(NAME, words(spark, ("a", 1), ("b", 2)).coalesce(1))

    def merge(*changes: tuple[str, int]) -> Mapping[str, int]:
        return tables.merge(
            NAME,
            words(spark, *changes),
            "t.word = s.word",
            lambda merge: merge.whenMatchedUpdate(set={"count": "s.count"}),
        )

    assert merge(("a", 5), ("z", 6))["numTargetRowsUpdated"] == 1
    version = tables.version(NAME)
    assert merge(("z", 7)) == {}
    assert tables.version(NAME) == version
    assert stored(tables) == [("a", 5), ("b", 2)]


def test_what_the_log_says_without_spark_is_what_spark_says(tables, spark):
    tables.append(NAME, words(spark, ("a", 1), ("b", 2)).coalesce(1))
    before = last_change(tables.folder(NAME))
    tables.append(NAME, words(spark, ("c", 3)).coalesce(1))
    assert last_change(tables.folder(NAME)) != before
    before = last_change(tables.folder(NAME))
    tables.pack(NAME, 1 << 20)
    assert last_change(tables.folder(NAME)) == before  # the same rows, in another file
    tables.delete(NAME, F.col("word") == "a")
    assert last_change(tables.folder(NAME)) != before
    told = [(c.version, c.operation, c.time.timestamp()) for c in tables.commits(NAME)]
    assert told == [
        (row["version"], row["operation"], pytest.approx(row["timestamp"].timestamp(), abs=5))
        for row in spark.sql(f"DESCRIBE HISTORY delta.`{tables.path(NAME)}`").collect()
    ]
    detail = tables.detail(NAME)
    assert tables.size(NAME) == TableSize(detail["numFiles"], detail["sizeInBytes"])
    with session_settings(spark, {"spark.databricks.delta.writeChecksumFile.enabled": "false"}):
        tables.append(NAME, words(spark, ("d", 4)).coalesce(1))
    assert size(tables.folder(NAME)) is None
    assert tables.size(NAME).files == detail["numFiles"] + 1


def test_a_writer_counts_its_own_rows_though_another_writes_right_after_it(
    tables, spark, monkeypatch
):
    """The rows of a commit are those of the writer's own commit, not of the newest one."""
    settle = tables_module.retry_on_conflict

    def followed_by_another(commit):
        settle(commit)
        words(spark, ("x", 7), ("y", 8)).write.format("delta").mode("append").save(path)

    path = tables.path(NAME)
    monkeypatch.setattr(tables_module, "retry_on_conflict", followed_by_another)
    assert tables.append(NAME, words(spark, ("a", 1))) == 1
    assert tables.append(NAME, words(spark, ("b", 2), ("c", 3), ("d", 4))) == 3
    assert tables.version(NAME) == 3


def test_files_may_be_partitioned_uncompressed_and_short(tables, spark, tmp_path):
    rows = words(spark, *((f"w{i}", i % 2) for i in range(9))).coalesce(1)
    tables.overwrite(
        NAME, rows, partition_by=("count",), compression="uncompressed", maxRecordsPerFile=2
    )
    files = list((tmp_path / "tables" / NAME).glob("count=*/*.parquet"))
    assert len(files) == 3 + 2  # five rows of count 0 and four of count 1, two a file
    assert not any("snappy" in file.name for file in files)
    assert len(read(tables)) == 9


@pytest.fixture
def in_catalog(spark, tmp_path):
    """Tables with a prefix of the session's catalog; their files lie in the work folder."""
    spark.sql("CREATE DATABASE IF NOT EXISTS devise_test")
    yield Tables.of(spark, EmbedLabels(work_dir=str(tmp_path), catalog="devise_test"))
    spark.sql("DROP DATABASE devise_test CASCADE")


def test_with_a_catalog_tables_have_names_and_are_the_same_by_path(in_catalog, tables, spark):
    assert in_catalog.overwrite(NAME, words(spark, ("a", 1))) == 1
    assert in_catalog.append("metrics", spark.createDataFrame([(None,) * 9], METRICS)) == 1
    assert in_catalog.append(NAME, words(spark, ("b", 2))) == 1
    assert in_catalog.overwrite(NAME, words(spark, ("c", 2)), where="count = 2") == 1
    by_name = spark.sql("SELECT word, count FROM devise_test.word_vectors ORDER BY word")
    assert [tuple(row) for row in by_name.collect()] == [("a", 1), ("c", 2)]
    assert read(in_catalog) == read(tables) == [("a", 1), ("c", 2)]
    assert in_catalog.version(NAME) == 2
    in_catalog.create_if_missing("labels")
    assert spark.sql("SELECT * FROM devise_test.labels").columns == SCHEMAS["labels"].names
    once = {"txnAppId": "stream", "txnVersion": 1}
    assert [in_catalog.append(NAME, words(spark, ("d", 4)), **once) for _ in "ab"] == [1, 0]


def test_a_table_made_by_path_gets_its_name_later(in_catalog, tables, spark):
    tables.overwrite(NAME, words(spark, ("a", 1)))
    in_catalog.append(NAME, words(spark, ("b", 2)))
    assert spark.table("devise_test.word_vectors").count() == 2
    tables.overwrite("metrics", spark.createDataFrame([], METRICS))
    in_catalog.overwrite("metrics", spark.createDataFrame([], METRICS))
    assert spark.table("devise_test.metrics").count() == 0


def test_rows_are_counted_by_a_column(spark):
    df = spark.createDataFrame([("a",), ("b",), ("a",), (None,)], "x string")
    assert count_by(df, "x") == {"a": 2, "b": 1, "None": 1}


def test_a_change_that_another_commit_comes_between_is_made_on_what_that_one_left(
    tables, spark, tmp_path
):
    # One file, and so one task, that leaves room for the other commit's.
    tables.append(NAME, words(spark, ("a", 1), ("b", 2)).coalesce(1))
    path, begun, appended = tables.path(NAME), tmp_path / "begun", tmp_path / "appended"

    @F.udf("boolean")
    def is_old(count: int) -> bool:
        """Waits, the first time, for a commit while its own is being made."""
        begun.touch()
        while not appended.exists():
            time.sleep(0.05)
        return count < 3

    def come_between() -> None:
        while not begun.exists():
            time.sleep(0.05)
        words(spark, ("c", 2), ("d", 4)).write.format("delta").mode("append").save(path)
        appended.touch()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(come_between)
        old = tables.read(NAME).where(is_old("count")).select("word")
        tables.merge(NAME, old, "t.word = s.word", lambda merge: merge.whenMatchedDelete())
        done.result()
    assert stored(tables) == [("d", 4)]
