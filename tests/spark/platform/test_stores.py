import contextlib

import psutil
import pytest

from devise_lib.config.words import ParseWikipedia
from devise_lib.errors import InputError
from devise_lib.sample.dump import DUMP_NAME, write_dump
from devise_lib.spark.corpus.articles import articles_of, read_articles
from devise_lib.spark.platform.stores import spark_path, store_settings
from devise_lib.text.wikipedia.dump import plan_ranges, read_pages
from jobs import parse_wikipedia

pytestmark = pytest.mark.spark  # the settings are those of a session, and tasks read


@pytest.fixture
def folder(tmp_path, s3_files, bucket) -> str:
    """The URI of a folder with a dump and its index; the same files are in tmp_path / "wiki"."""
    write_dump(tmp_path, 40, seed=1, pages_a_stream=5)
    for path in (tmp_path / "wiki").iterdir():
        s3_files.upload(path, f"s3a://{bucket}/wiki/{path.name}")
    return f"s3a://{bucket}/wiki"


def java_processes() -> int:
    """Java processes below this one; the session's own is one of them."""
    found = 0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += process.name() == "java"
    return found


def test_settings_of_stores_are_taken_from_the_session_without_hadoops_defaults(spark):
    before = store_settings(spark)
    given = {"fs.s3a.endpoint": "http://127.0.0.1:9", "fs.s3a.bucket.b.endpoint": "other"}
    try:
        for key, value in {**given, "fs.other.key": "x"}.items():
            spark.conf.set(key, value)
        assert store_settings(spark) == {**before, **given}
    finally:
        for key in (*given, "fs.other.key"):
            spark.conf.unset(key)
    assert not any("attempts" in key for key in before)  # Hadoop has a default for it


def test_secrets_come_from_a_credential_provider(spark, tmp_path):
    provider = f"localjceks://file{tmp_path}/keys.jceks"
    configuration = spark._jsparkSession.sessionState().newHadoopConf()
    configuration.set("hadoop.security.credential.provider.path", provider)
    factory = spark._jvm.org.apache.hadoop.security.alias.CredentialProviderFactory
    keys = factory.getProviders(configuration).get(0)
    keys.createCredentialEntry("fs.s3a.secret.key", characters(spark, "hidden"))
    keys.flush()
    spark.conf.set("hadoop.security.credential.provider.path", provider)
    try:
        assert store_settings(spark)["fs.s3a.secret.key"] == "hidden"
    finally:
        spark.conf.unset("hadoop.security.credential.provider.path")


def characters(spark, text):
    array = spark.sparkContext._gateway.new_array(spark._jvm.char, len(text))
    for place, sign in enumerate(text):
        array[place] = sign
    return array


def test_spark_gets_the_scheme_that_its_platform_knows(spark):
    assert spark_path(spark, "s3://b/x") == "s3a://b/x"
    assert spark_path(spark, "s3a://b/x") == "s3a://b/x"
    hadoop = spark._jsc.hadoopConfiguration()
    hadoop.set("fs.s3.impl", "com.amazon.ws.emr.hadoop.fs.EmrFileSystem")
    try:
        assert spark_path(spark, "s3://b/x") == "s3://b/x"
    finally:
        hadoop.unset("fs.s3.impl")


@pytest.mark.parametrize("name", ["", f"/{DUMP_NAME}"])
def test_tasks_read_a_dump_in_a_store_without_a_jvm(spark, folder, tmp_path, name, s3_files):
    before = java_processes()
    dump = folder + name
    ranges = plan_ranges(dump, None, 3, s3_files)
    assert len(ranges) == 3
    assert all(part.pages is not None for part in ranges)  # the index beside it was found
    rows = articles_of(read_articles(spark, ranges, (0,))).collect()
    local = plan_ranges(str(tmp_path / "wiki" / DUMP_NAME), None, 1)[0]
    pages = [page for page in read_pages(local) if page.namespace == 0]
    assert sorted(row["page_id"] for row in rows) == sorted(page.page_id for page in pages)
    assert all(row["source"].startswith(f"{folder}/{DUMP_NAME}:") for row in rows)
    assert java_processes() == before


def test_the_job_takes_such_a_dump_and_writes_no_secret(spark, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(parse_wikipedia.tracking, "log_params", lambda _: None)
    monkeypatch.setattr(parse_wikipedia.tracking, "current_run_id", lambda: "run-1")
    config = ParseWikipedia(dump=folder, work_dir=str(tmp_path / "work"), tasks=2)
    assert parse_wikipedia.run(spark, config)["articles"] >= 40
    files = [path for path in (tmp_path / "work").rglob("*") if path.is_file()]
    assert len(files) > 3
    assert not any(b"secret-of-tests" in path.read_bytes() for path in files)


def test_an_unknown_store_or_a_missing_dump_is_told_with_what_to_set(folder, s3_files):
    with pytest.raises(InputError, match=r"nostore://bucket/d\.xml: there is no such store"):
        plan_ranges("nostore://bucket/d.xml", None, 2, s3_files)
    with pytest.raises(InputError, match=r"no dump at s3a://.*parse_wikipedia\.dump"):
        plan_ranges(f"{folder}/none.xml", None, 2, s3_files)
