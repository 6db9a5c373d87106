"""Where photos may come from: patterns, tables; and what PHOTOS holds of them."""

import json
import os
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from pyspark.sql import functions as F

from devise_lib.config.photos import IngestPhotos
from devise_lib.errors import InputError
from devise_lib.spark.ingest import chunks
from devise_lib.spark.ingest.chunks import one_task_each
from devise_lib.spark.ingest.commits import pack_small_files
from devise_lib.spark.ingest.rows import make_photo_id
from devise_lib.spark.ingest.run import ingest
from devise_lib.spark.job.entry import execute
from devise_lib.spark.job.locks import only_run
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import PHOTOS
from jobs import ingest_photos
from tests.embedding import photo_row
from tests.jobs.test_ingest_photos import (
    configure,
    picture,
    read,
    write_folder,
    write_tar,
)
from tests.rows import of_set

pytestmark = pytest.mark.spark

PATTERNS = {  # by the names of sources: a pattern, and what it matches of `galleries`
    "year": ("*/2024*", {"ann/2024/dog.png", "bob/2024/in/owl.png", "bob/2024.tar!emu.png"}),
    "letters": ("{ann,eve}/**/[c-e]*.png", {"ann/2023/cat.png", "ann/2024/dog.png"}),
    "photos": (
        "**/*.png",
        {"ann/2023/cat.png", "ann/2024/dog.png", "bob/2024/in/owl.png", "bob/2025/ray.png"},
    ),
}
SIZES = sorted(len(picture(i)) for i in range(4))  # of those of `galleries` outside its tar
TOO_LONG = f"/{'x' * 300}.png"  # a path that no file system looks at


def run(spark, config: IngestPhotos) -> dict[str, int]:
    return ingest(Tables.of(spark, config), config)


@pytest.fixture(scope="module")
def galleries(tmp_path_factory) -> Path:
    """Photos of two owners, by year; in one folder also a tar and what is no photo."""
    folder = tmp_path_factory.mktemp("galleries") / "all"
    names = ("ann/2023/cat.png", "ann/2024/dog.png", "bob/2024/in/owl.png", "bob/2025/ray.png")
    write_folder(folder, {name: picture(i) for i, name in enumerate(names)})
    write_folder(folder, {"bob/2024/notes.txt": b"text"})
    write_tar(folder / "bob/2024.tar", {"emu.png": picture(9)})
    return folder


@pytest.fixture(scope="module")
def matched(spark, galleries, tmp_path_factory) -> IngestPhotos:
    """The configuration of one run over all patterns, which has a limit for large files."""
    sources = [
        {"path": f"{galleries}/{pattern}", "name": name, "owner_pattern": r"/all/(\w+)/"}
        for name, (pattern, _) in PATTERNS.items()
    ]
    work = tmp_path_factory.mktemp("matched")
    config = configure(work, *sources, max_content_bytes=SIZES[1])
    photos = sum(len(names) for _, names in PATTERNS.values())
    assert run(spark, config)["photos"] == len(read(config)) == photos
    return config


@pytest.mark.parametrize("source", PATTERNS)
def test_a_pattern_takes_what_it_matches_and_all_below(galleries, matched, source):
    found = of_set(read(matched), source)
    rows = {row["path"].removeprefix(f"file:{galleries}/"): row for row in found}
    assert set(rows) == PATTERNS[source][1]
    for name, row in rows.items():
        assert row["photo_id"] == make_photo_id(source, name.replace(".tar!", "/"))
        assert row["owner"] == name[:3]


def test_where_a_pattern_matches_no_file_any_more_no_photo_is_gone(spark, galleries, matched):
    sources = [{"path": f"{galleries}/no*", "name": name} for name in PATTERNS]
    with pytest.raises(InputError, match=r"no\*' matches no file: check the pattern"):
        run(spark, configure(Path(matched.work_dir), *sources))
    assert {row["removed"] for row in read(matched)} == {None}


def test_a_name_may_begin_with_a_mark_or_be_no_utf_8(spark, tmp_path):
    names = [b"!a.png", b"a.png", b"caf\xe9.png", b"caf\xea.png"]
    folder = write_folder(
        tmp_path / "in", {os.fsdecode(name): picture(i) for i, name in enumerate(names)}
    )
    config = configure(tmp_path / "work", folder)
    assert run(spark, config) == {"photos": 4, "quarantined": 0}
    found = {Path(row["path"]).name: bytes(row["content"]) for row in read(config)}
    shown = ["!a.png", "a.png", r"caf\udce9.png", r"caf\udcea.png"]
    assert found == {name: picture(i) for i, name in enumerate(shown)}
    assert run(spark, config) == {"photos": 0, "quarantined": 0, "unchanged": 4}
    (folder / os.fsdecode(b"\xff")).mkdir()
    with pytest.raises(Exception, match=r"in/\\udcff is not UTF-8.*rename the folder"):
        run(spark, config)


def test_large_files_stay_where_they_are(matched):
    for row in read(matched):
        in_tar = "!" in row["path"]  # nothing else finds it there
        assert (row["content"] is not None) == (in_tar or row["size_bytes"] <= SIZES[1])
        assert len(row["sha256"]) == 64


@pytest.fixture(scope="module")
def uploads(spark, galleries, tmp_path_factory) -> dict[str, str]:
    """The same photos as a Delta table of bytes, and as a Parquet table of paths."""
    folder = tmp_path_factory.mktemp("tables")
    files = sorted(galleries.rglob("*.png"))
    rows = [(n, path.read_bytes(), path.parts[-3], f"file:{path}") for n, path in enumerate(files)]
    rows.append((len(rows), b"no photo", None, f"{galleries}/none.png"))
    df = spark.createDataFrame(rows, "number int, jpg binary, who string, place string")
    df.drop("place").write.format("delta").save(f"{folder}/bytes")
    df.drop("jpg").write.parquet(f"{folder}/paths")
    images = [{"bytes": picture(n), "path": f"{n}.png"} for n in range(4)]
    nested = pa.table({"id": ["a", "b", "b", "c"], "a.b": ["x"] * 4, "image": images})
    parquet.write_table(nested, f"{folder}/nested.parquet")
    return {name: f"{folder}/{name}" for name in ("bytes", "paths", "nested.parquet")}


def of_bytes(path: str) -> dict:
    columns = {"path": "", "id": "number", "content": "jpg", "owner": "who"}
    return {"path": path, "kind": "table", "name": "up", "columns": columns}


def test_a_table_of_bytes(spark, uploads, tmp_path):
    config = configure(tmp_path, of_bytes(uploads["bytes"]), max_content_bytes=0)
    assert run(spark, config) == {"photos": 4, "quarantined": 1}
    rows = {row["path"]: row for row in read(config)}
    assert set(rows) == {f"{uploads['bytes']}!{n}" for n in range(4)}
    for n in range(4):
        row = rows[f"{uploads['bytes']}!{n}"]
        assert row["photo_id"] == make_photo_id("up", str(n))
        assert len(row["content"]) == row["size_bytes"]  # it has no path to stay at
        assert (row["label"], row["modification_time"]) == (None, None)
    assert {row["owner"] for row in rows.values()} == {"ann", "bob", "2024"}
    assert run(spark, config) == {"photos": 0, "quarantined": 0, "unchanged": 5}
    path = tmp_path / "changed"
    table = spark.read.format("delta").load(uploads["bytes"])
    changed = F.when(F.col("number") == 1, F.lit(picture(12))).otherwise(F.col("jpg"))
    table.where("number <> 2").withColumn("jpg", changed).write.format("delta").save(str(path))
    config = configure(tmp_path, of_bytes(str(path)))
    wanted = {"photos": 1, "quarantined": 0, "changed": 1, "removed": 1}
    assert run(spark, config).items() >= wanted.items()
    rows = {row["photo_id"]: row for row in read(config)}
    assert rows[make_photo_id("up", "1")]["revision"] == 2
    assert rows[make_photo_id("up", "2")]["removed"] is not None
    assert len(rows) == 4


@pytest.fixture(scope="module")
def listed(spark, uploads, galleries, tmp_path_factory) -> IngestPhotos:
    """The configuration of one run over two tables of paths; the second has no labels."""
    folder = tmp_path_factory.mktemp("listed")
    paths = [*map(str, galleries.rglob("*.png")), TOO_LONG]
    parquet.write_table(pa.table({"path": paths}), folder / "odd.parquet")
    odd = folder / "tab {v} [10:30]*"
    odd.mkdir()
    images = [{"bytes": picture(n), "path": None} for n in (5, 6)]
    nested = {"id": ["a", "b"], "a.b": ["x", "y"], "image": images}
    parquet.write_table(pa.table(nested), odd / "x.parquet")
    of_images = {"path": "", "content": "image.bytes", "id": "id", "label": "a.b"}
    table = {"kind": "table", "format": "parquet"}
    columns = {"path": "place", "label": "who"}
    config = configure(
        folder / "work",
        {"path": str(odd), "columns": of_images, **table},
        {"path": uploads["paths"], "columns": columns, **table},
        {"path": str(folder / "odd.parquet"), "name": "odd", "label_pattern": "", **table},
    )
    assert run(spark, config) == {"photos": 2 + 4 + len(paths) - 1, "quarantined": 2}
    return config


def test_a_path_that_cannot_even_be_looked_at_costs_a_row(listed):
    assert len(of_set(read(listed), "odd")) == 4
    [refused] = of_set(read(listed, "quarantine"), "odd")
    assert refused["path"] == TOO_LONG
    assert refused["reason"] == "read_error"


def test_a_table_of_paths(spark, listed, galleries):
    photos = of_set(read(listed), "paths")
    assert len(photos) == 4
    [refused] = of_set(read(listed, "quarantine"), "paths")
    assert (refused["reason"], refused["path"]) == ("missing_file", f"{galleries}/none.png")
    for row in photos:
        path = Path(row["path"].removeprefix("file:"))
        assert bytes(row["content"]) == path.read_bytes()
        assert abs(row["modification_time"].timestamp() - path.stat().st_mtime) < 0.001
        assert row["label"] == path.parts[-3]
    assert run(spark, listed) == {"photos": 0, "quarantined": 0, "unchanged": 12}


def test_a_table_of_structs_at_a_path_that_looks_like_a_pattern(listed):
    """As Hugging Face writes images: struct<bytes, path>. A column's own name may have dots, too.

    Of the kind: what a user names is taken for a pattern, or for a way through a struct.
    """
    photos = of_set(read(listed), "tab {v} [10:30]*")
    found = {(row["photo_id"], row["label"], bytes(row["content"])) for row in photos}
    assert found == {
        (make_photo_id("tab {v} [10:30]*", name), label, picture(level))
        for name, label, level in (("a", "x", 5), ("b", "y", 6))
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"columns": {"path": "none"}},
            r"columns\.path is 'none', which is missing.*number \(int\)",
        ),
        ({"columns": {"path": "number"}}, r"columns\.path is 'number', which is int, want string"),
        (
            {"path": "nested", "columns": {"path": "", "id": "id", "content": "image"}},
            r"is 'image', which is struct.*, want binary; give columns\.content = \"image\.bytes\"",
        ),
        (
            {"path": "nested", "columns": {"path": "", "id": "id", "content": "image.none"}},
            r"columns\.content is 'image\.none', which is missing",
        ),
        (
            {"path": "nested", "columns": {"path": "", "id": "id", "content": "image.bytes"}},
            r"'b' is there twice in column 'id' of .*nested\.parquet, and it identifies",
        ),
        ({"path": "/none/such"}, r"there is no delta table '/none/such' \("),
        ({"path": "none_such"}, r"there is no delta table 'none_such' \("),
        ({"columns": {"path": "", "id": "who", "content": "jpg"}}, "has rows without 'who'"),
    ],
)
def test_a_table_that_cannot_be_used_is_told(spark, uploads, tmp_path, values, message):
    source = {"path": uploads["bytes"], "kind": "table", **values}
    if source["path"] == "nested":
        source |= {"path": uploads["nested.parquet"], "format": "parquet"}
    with pytest.raises(InputError, match=message):
        run(spark, configure(tmp_path, source))
    assert not (tmp_path / "tables").exists()


def test_photos_are_packed_into_files_and_committed_chunk_by_chunk(spark, tmp_path, monkeypatch):
    noise = {f"{i:03}.bmp": picture(i % 12, "BMP", 64) + os.urandom(8_000) for i in range(60)}
    folder = write_folder(tmp_path / "in", noise)  # 60 files of 20 kB
    size = sum(map(len, noise.values())) + 60 * chunks.ROW_BYTES
    config = configure(tmp_path / "work", folder, file_bytes=size // 10)
    assert run(spark, config) == {"photos": 60, "quarantined": 0}
    tables = Tables.of(spark, config)
    commits = sorted((tmp_path / "work/tables/photos/_delta_log").glob("*.json"))
    written = [
        [json.loads(line)["add"] for line in path.read_text().splitlines() if '"add"' in line]
        for path in commits
    ]
    a_chunk = 2 * spark.sparkContext.defaultParallelism
    files = [len(adds) for adds in written if adds]
    wanted = -(-size // (size // 10))
    assert sum(files) == wanted
    assert files[:-1] == [a_chunk] * ((wanted - 1) // a_chunk)
    ranges = sorted(
        (stats["minValues"]["photo_id"], stats["maxValues"]["photo_id"])
        for adds in written
        for stats in (json.loads(add["stats"]) for add in adds)
    )
    assert all(end < start for (_, end), (start, _) in pairwise(ranges))
    assert len(read(config)) == 60
    monkeypatch.setattr("devise_lib.spark.ingest.commits.MOST_SMALL_FILES", 2)
    before = tables.version("photos")
    write_folder(folder, {"later.png": picture(1)})
    packed = config.model_copy(update={"file_bytes": size * 4})
    assert run(spark, packed) == {"photos": 1, "quarantined": 0, "unchanged": 60}
    assert tables.version("photos") == before + 2
    assert tables.detail("photos")["numFiles"] == 1
    assert len(read(config)) == 61


def test_rows_without_bytes_are_not_packed_without_end(spark, tmp_path, monkeypatch):
    monkeypatch.setattr("devise_lib.spark.ingest.commits.MOST_SMALL_FILES", 2)
    monkeypatch.setattr("devise_lib.spark.ingest.commits.LEAST_FILE_BYTES", 1)
    config = configure(tmp_path / "work", tmp_path)
    tables = Tables.of(spark, config)
    rows = [photo_row(f"{i:032}", None, path=f"/{i}.png") for i in range(48)]
    tables.append("photos", spark.createDataFrame(rows, PHOTOS).repartitionByRange(12, "photo_id"))
    monkeypatch.setattr("devise_lib.spark.ingest.commits.FILE_ROWS", 16)
    pack_small_files(tables, 256 << 20)
    assert 3 <= tables.detail("photos")["numFiles"] <= 6
    assert len(read(config)) == 48


def test_each_bucket_has_a_task_of_its_own(spark):
    rows = spark.range(100).withColumn("bucket", F.col("id") % 7)
    dealt = one_task_each(rows, F.col("bucket"), 7).withColumn("task", F.spark_partition_id())
    pairs = {(row["bucket"], row["task"]) for row in dealt.collect()}
    assert len(pairs) == len({task for _, task in pairs}) == 7


def test_two_runs_at_once_are_one_too_many(spark, galleries, tmp_path):
    config = configure(tmp_path, galleries)
    with (
        only_run(config.work_dir, "ingest_photos"),
        pytest.raises(InputError, match="ingest_photos is running in this work folder already"),
    ):
        execute(spark, ingest_photos.run, config)
