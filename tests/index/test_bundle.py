import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from devise_lib.errors import InputError
from devise_lib.index import bundle
from devise_lib.index.bundle import (
    Manifest,
    check_files,
    index_root,
    point_to,
    publish,
    read_bundle,
    read_current,
    verify,
)
from devise_lib.index.faiss_index import VERSION, IvfIndex
from devise_lib.index.tuning import RecallPoint
from devise_lib.numerics.retrieval import top_k
from devise_lib.storage.files import file_sha256
from tests.embedded import clustered

VECTORS = clustered(200)
IDS = [f"photo {i}" for i in range(200)]


def make_bundle(work_dir, **changes):
    """Publish an index of VECTORS; `changes` are of the manifest."""
    root = index_root(str(work_dir))
    building = Path(root) / ".building"
    building.mkdir(parents=True)
    index = IvfIndex.train(VECTORS, nlist=4, seed=0)
    index.add(VECTORS, np.arange(200))
    index.save(building / "index.faiss")
    pq.write_table(pa.table({"row": np.arange(200), "photo_id": IDS}), building / "ids.parquet")
    values = {
        "model_id": "devise-v1",
        "table": "embeddings",
        "table_version": 3,
        "run_id": "abc",
        "n": 200,
        "dimension": 16,
        "metric": "inner_product",
        "index_key": index.key,
        "nlist": 4,
        "nprobe": 4,
        "k": 5,
        "queries": 20,
        "recall_target": 0.9,
        "recall": 1.0,
        "curve": (RecallPoint(1, 0.5), RecallPoint(4, 1.0)),
        "seed": 0,
        "faiss_version": VERSION,
        "sha256": {n: file_sha256(building / n) for n in ("index.faiss", "ids.parquet")},
    }
    return publish(str(building), Manifest(**{**values, **changes}), root)


def test_the_published_bundle_is_the_current_one(tmp_path):
    made = make_bundle(tmp_path)
    assert read_current(str(tmp_path)) == made
    assert re.fullmatch(r"devise-v1-v3-[0-9a-f]{8}", made.name)
    assert sorted(path.name for path in Path(made.folder).iterdir()) == [
        "README.md",
        "ids.parquet",
        "index.faiss",
        "manifest.json",
    ]
    assert sorted(path.name for path in Path(made.folder).parent.iterdir()) == [
        "CURRENT",
        made.name,
    ]


def test_a_newer_bundle_takes_over_and_the_older_stays(tmp_path):
    old = make_bundle(tmp_path)
    new = make_bundle(tmp_path, table_version=4)
    assert read_current(str(tmp_path)) == new
    assert read_bundle(old.folder) == old
    verify(old)


def test_the_name_depends_on_all_but_the_run(tmp_path):
    first = make_bundle(tmp_path)
    (Path(first.folder) / "index.faiss").unlink()  # damaged since; the next build mends it
    again = make_bundle(tmp_path, run_id="other")
    assert again.name == first.name
    assert read_current(str(tmp_path)).manifest.run_id == "other"
    verify(again)
    assert make_bundle(tmp_path, nprobe=2).name != first.name


def test_a_build_that_fails_leaves_the_current_bundle(tmp_path):
    made = make_bundle(tmp_path)
    with pytest.raises(InputError, match="the manifest says 201 of 16"):
        make_bundle(tmp_path, n=201)
    assert read_current(str(tmp_path)) == made


def test_publishing_reads_the_ends_of_files_alone_and_still_tells_one_that_is_cut_off(
    tmp_path, monkeypatch
):
    """What a task has done on a worker, the driver does not do again on data of any size."""

    def hash_again(_):
        raise AssertionError("the driver reads the whole file")

    monkeypatch.setattr(bundle, "file_sha256", hash_again)
    made = make_bundle(tmp_path)
    monkeypatch.undo()
    verify(made)
    for name in ("index.faiss", "ids.parquet"):
        path = Path(made.folder) / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        with pytest.raises(InputError, match="run build_index again"):
            check_files(Path(made.folder), made.manifest.n, made.manifest.dimension)
        path.write_bytes(whole)


def test_current_is_replaced_at_once(tmp_path, monkeypatch):
    made = make_bundle(tmp_path)

    def fail(*_):
        raise OSError("the disk is gone")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        point_to(index_root(str(tmp_path)), "another")
    monkeypatch.undo()
    assert read_current(str(tmp_path)) == made


def test_verify_tells_a_changed_file_and_a_missing_one(tmp_path):
    made = make_bundle(tmp_path)
    path = Path(made.folder) / "ids.parquet"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"ids\.parquet was changed"):
        verify(made)
    path.unlink()
    with pytest.raises(InputError, match=r"ids\.parquet is missing"):
        verify(made)


def test_without_an_index_the_job_that_builds_it_is_named(tmp_path):
    with pytest.raises(InputError, match="run build_index first"):
        read_current(str(tmp_path))


@pytest.mark.parametrize("name", ["", "../elsewhere", "/etc", "a/b"])
def test_current_names_a_folder_beside_it_and_no_other(tmp_path, name):
    root = Path(index_root(str(tmp_path)))
    root.mkdir()
    (root / "CURRENT").write_text(f"{name}\n")
    with pytest.raises(InputError, match="want a folder beside it"):
        read_current(str(tmp_path))


@pytest.mark.parametrize(
    "text", [None, "{", "[]", '{"format": 1}', '{"format": 2}', '{"format": 1, "curve": 3}']
)
def test_what_is_no_manifest_is_refused(tmp_path, text):
    made = make_bundle(tmp_path)
    path = Path(made.folder) / "manifest.json"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(InputError, match="run build_index again"):
        read_current(str(tmp_path))


def test_a_bundle_of_another_model_is_refused(tmp_path):
    made = make_bundle(tmp_path)
    made.require_model("devise-v1")
    with pytest.raises(InputError, match="is of model devise-v1, and devise-v2 was asked for"):
        made.require_model("devise-v2")


def test_a_process_opens_an_index_once_until_it_changes(tmp_path):
    made = make_bundle(tmp_path)
    assert made.open_index() is made.open_index()
    changed = replace(made.manifest, sha256={**made.manifest.sha256, "index.faiss": "other"})
    assert replace(made, manifest=changed).open_index() is not made.open_index()


def readme_program(made):
    """The indented lines of README.md."""
    lines = (Path(made.folder) / "README.md").read_text().splitlines()
    return "\n".join(line[4:] for line in lines if line.startswith("    ") or not line) + "\n"


@pytest.mark.parametrize("source", ["README.md", "manifest.json"])
def test_its_own_lines_query_it_with_plain_faiss(tmp_path, source):
    made = make_bundle(tmp_path)
    program = readme_program(made)
    if source == "manifest.json":
        stored = json.loads((Path(made.folder) / "manifest.json").read_text())["how_to_query"]
        program = "\n".join(stored)
    program += "\nassert not any(name.startswith('devise_lib') for name in sys.modules)\n"
    queries = clustered(3, seed=9)
    (tmp_path / "query.py").write_text(program)
    np.save(tmp_path / "queries.npy", queries)
    done = subprocess.run(
        [sys.executable, "-I", tmp_path / "query.py", tmp_path / "queries.npy"],
        cwd=made.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows, scores = top_k(queries, VECTORS, 5)
    wanted = [
        " ".join(f"{IDS[r]} {s:.4f}" for r, s in zip(found, cosines, strict=True))
        for found, cosines in zip(rows, scores, strict=True)
    ]
    assert done.stdout.splitlines() == wanted
