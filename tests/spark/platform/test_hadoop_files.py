import contextlib
import io
from pathlib import Path

import psutil
import pytest

from devise_lib.config.words import ParseWikipedia
from devise_lib.errors import InputError
from devise_lib.sample.dump import DUMP_NAME, write_dump
from devise_lib.spark.corpus.articles import articles_of, read_articles
from devise_lib.spark.platform import hadoop_files
from devise_lib.spark.platform.hadoop_files import (
    HadoopFiles,
    WorkerFiles,
    session_files,
)
from devise_lib.text.wikipedia.dump import plan_ranges, read_pages
from jobs import parse_wikipedia

SECRET = "a-secret-key-of-a-store"


def test_the_settings_are_not_shown_with_the_object():
    assert SECRET not in repr(WorkerFiles(SECRET))


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with a dump, of which the session knows only another name."""
    write_dump(tmp_path, 40, seed=1, pages_a_stream=5)
    return tmp_path / "wiki"


@pytest.fixture
def mounted(spark, folder, request):
    """The URI of `folder`, by a mount table that is set in the running session alone."""
    table = f"t{abs(hash(request.node.name))}"
    keys = {
        f"fs.viewfs.mounttable.{table}.link./data": f"file://{folder}",
        "fs.some.store.secret.key": SECRET,
    }
    for key, value in keys.items():
        spark.conf.set(key, value)
    yield f"viewfs://{table}/data"
    for key in keys:
        spark.conf.unset(key)


def jvms_of_workers() -> int:
    """Java processes that run a gateway for this session's tasks."""
    found = 0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            words = process.cmdline()
            found += "-Xmx512m" in words and "py4j.GatewayServer" in words
    return found


@pytest.mark.spark
def test_reads_any_range_piece_by_piece(spark, folder, mounted):
    files, _ = session_files(spark, mounted)
    small = HadoopFiles(spark._jvm, spark._jsparkSession.sessionState().newHadoopConf(), 1000)
    data = (folder / DUMP_NAME).read_bytes()
    path = f"{mounted}/{DUMP_NAME}"
    for start, stop in ((0, len(data)), (1, 2), (999, 3001), (5000, 5000), (len(data) - 3, 10**9)):
        for opened in (files.open_range(path, start, stop), small.open_range(path, start, stop)):
            with io.BufferedReader(opened) as file:
                assert file.read() == data[start:stop]
    with files.open_range(path, len(data) + 5, len(data) + 9) as file:
        assert file.read(4) == b""


@pytest.mark.spark
def test_lists_and_finds_files_as_the_local_file_system_does(spark, folder, mounted):
    files, _ = session_files(spark, mounted)
    (folder / "below").mkdir()
    there = files.status(mounted)
    assert (there.is_folder, there.name) == (True, "data")
    assert files.status(f"{mounted}/nothing") is None
    listed = [(s.path, s.name, s.size, s.is_folder) for s in files.children(mounted)]
    sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    assert [(s[1], s[2]) for s in listed if not s[3]] == sorted(sizes.items())
    assert [s[1] for s in listed if s[3]] == ["below"]
    assert all(path == f"{mounted}/{name}" for path, name, _, _ in listed)
    assert files.status(str(folder / DUMP_NAME)).size == sizes[DUMP_NAME]  # local ones, too
    assert len(files.children(str(folder))) == 3


@pytest.mark.spark
@pytest.mark.parametrize("name", ["", f"/{DUMP_NAME}"])
def test_tasks_read_a_dump_that_only_the_sessions_settings_can_find(spark, folder, mounted, name):
    dump = mounted + name
    files, worker_files = session_files(spark, dump)
    ranges = plan_ranges(dump, None, 3, files)
    assert len(ranges) == 3
    assert all(part.pages is not None for part in ranges)  # the index beside it was found
    rows = articles_of(read_articles(spark, ranges, (0,), files=worker_files)).collect()
    local = plan_ranges(str(folder / DUMP_NAME), None, 1)[0]
    pages = [page for page in read_pages(local) if page.namespace == 0]
    assert sorted(row["page_id"] for row in rows) == sorted(page.page_id for page in pages)
    assert all(row["source"].startswith(f"{mounted}/{DUMP_NAME}:") for row in rows)
    assert 1 <= jvms_of_workers() <= 2 * spark.sparkContext.defaultParallelism
    # without the settings there is no such file
    with pytest.raises(Exception, match="cannot be read"):
        read_articles(spark, ranges, (0,), files=WorkerFiles("<configuration/>")).collect()


@pytest.mark.spark
def test_the_job_takes_such_a_dump(spark, mounted, tmp_path, monkeypatch):
    monkeypatch.setattr(parse_wikipedia.tracking, "log_params", lambda _: None)
    monkeypatch.setattr(parse_wikipedia.tracking, "current_run_id", lambda: "run-1")
    config = ParseWikipedia(dump=mounted, work_dir=str(tmp_path / "work"), tasks=2)
    assert parse_wikipedia.run(spark, config)["articles"] >= 40
    secret = SECRET.encode()
    files = [path for path in (tmp_path / "work").rglob("*") if path.is_file()]
    assert len(files) > 3
    assert not any(secret in path.read_bytes() for path in files)


@pytest.mark.spark
def test_local_files_start_no_jvm(spark, folder, monkeypatch):
    monkeypatch.setattr(hadoop_files, "_launch_jvm", None)  # a call would fail
    files, worker_files = session_files(spark, str(folder))
    assert worker_files == WorkerFiles()
    assert worker_files.open() is files


@pytest.mark.spark
def test_an_unknown_store_or_a_missing_dump_is_told_with_what_to_set(spark, mounted):
    files, _ = session_files(spark, "nostore://bucket/d.xml")
    with pytest.raises(InputError, match=r"nostore://bucket/d\.xml cannot be read.*No FileSystem"):
        plan_ranges("nostore://bucket/d.xml", None, 2, files)
    files, _ = session_files(spark, mounted)
    with pytest.raises(InputError, match=r"no dump at viewfs://.*parse_wikipedia\.dump"):
        plan_ranges(f"{mounted}/none.xml", None, 2, files)
