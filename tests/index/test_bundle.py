import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from devise_lib.errors import InputError
from devise_lib.index.bundle import (
    Bundle,
    fetch_bundle,
    index_root,
    is_published,
    point_to,
    publish,
    read_bundle,
    read_current,
    verify,
)
from devise_lib.index.manifest import StepCost
from devise_lib.index.reader import SearchIndex
from tests.index.built import Built, best_rows, build_bundle, photos

QUERIES = photos(5, 1_000)
CURVE = b"<svg/>"


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Built:
    """The files of an index; tests publish copies of them."""
    return build_bundle(tmp_path_factory.mktemp("built") / "bundle", "IVF8,SQfp16", (80, 20))


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """The folder of copies, below a TMPDIR of the test's own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path / f"devise-cache-{os.getuid()}"


def publish_copy(built: Built, work_dir, keep: int = 3, **changes) -> Bundle:
    """Publishes a copy of the files on a disk; `changes` are of the manifest."""
    root = index_root(str(work_dir))
    building = f"{root}/.build-x/bundle"
    shutil.copytree(built.folder, building)
    made = publish(building, replace(built.manifest, **changes), CURVE, root, keep)
    shutil.rmtree(f"{root}/.build-x")
    return made


def publish_on_store(built: Built, store, work_dir: str, keep: int = 3, **changes) -> Bundle:
    """The same on a store."""
    root = index_root(work_dir)
    for path in built.folder.rglob("*"):
        if path.is_file():
            store.upload(path, f"{root}/.build-x/bundle/{path.relative_to(built.folder)}")
    manifest = replace(built.manifest, **changes)
    return publish(f"{root}/.build-x/bundle", manifest, CURVE, root, keep)


def names_in(work_dir) -> set[str]:
    return {path.name for path in Path(index_root(str(work_dir))).iterdir()}


def test_the_published_bundle_is_the_current_one(built, tmp_path):
    made = publish_copy(built, tmp_path)
    assert read_current(str(tmp_path)) == made
    assert made.manifest == built.manifest
    assert re.fullmatch(r"devise-v1-v3-[0-9a-f]{8}", made.name)
    assert names_in(tmp_path) == {"CURRENT", made.name}
    top = {path.name for path in Path(made.folder).iterdir()}
    assert top == {"README.md", "base", "curve.svg", "delta-000001", "manifest.json"}
    assert (Path(made.folder) / "curve.svg").read_bytes() == CURVE
    verify(made)


def test_without_an_index_the_job_that_builds_it_is_named(built, tmp_path):
    assert not is_published(str(tmp_path))
    with pytest.raises(InputError, match="run build_index first, or give another work_dir"):
        read_current(str(tmp_path))
    publish_copy(built, tmp_path)
    assert is_published(str(tmp_path))


def test_a_newer_bundle_takes_over_and_an_older_one_can_be_pointed_to(built, tmp_path):
    old = publish_copy(built, tmp_path)
    new = publish_copy(built, tmp_path, table_version=4)
    assert read_current(str(tmp_path)) == new
    point_to(index_root(str(tmp_path)), old.name)
    assert read_current(str(tmp_path)) == old


@pytest.mark.parametrize(
    ("keep", "left"), [(1, [5]), (2, [4, 5]), (3, [3, 4, 5]), (9, [2, 3, 4, 5])]
)
def test_the_newest_bundles_are_kept_and_older_ones_removed(built, tmp_path, keep, left):
    made = {}
    for age, version in enumerate((2, 3, 4)):
        made[version] = publish_copy(built, tmp_path, keep=9, table_version=version)
        os.utime(Path(made[version].folder) / "manifest.json", (1_000 + age, 1_000 + age))
    (Path(index_root(str(tmp_path))) / ".build-y").mkdir()
    made[5] = publish_copy(built, tmp_path, keep=keep, table_version=5)
    assert names_in(tmp_path) == {"CURRENT", ".build-y", *(made[version].name for version in left)}


def test_a_bundle_that_is_published_again_is_the_current_one(built, tmp_path):
    old = publish_copy(built, tmp_path)
    newer = publish_copy(built, tmp_path, table_version=4)
    os.utime(Path(old.folder) / "manifest.json", (1_000, 1_000))
    again = publish_copy(built, tmp_path, keep=1)
    assert again == old
    assert names_in(tmp_path) == {"CURRENT", old.name}
    assert not Path(newer.folder).exists()


def test_who_reads_a_bundle_that_is_published_again_goes_on_reading(built, tmp_path):
    first = publish_copy(built, tmp_path)
    index, queries = first.open(), built.vectors[:5]
    before = index.search(queries, 3).rows.tolist()
    publish_copy(built, tmp_path, run_id="other", costs={"shards": StepCost(1, 2.0, 3)})
    assert index.search(queries, 3).rows.tolist() == before


@pytest.mark.parametrize("name", ["base/index.faiss", "delta-000001/ids.npy", "manifest.json"])
@pytest.mark.parametrize("content", [None, b"damaged", "flipped"])
def test_a_damaged_bundle_of_the_same_contents_is_replaced(built, tmp_path, name, content):
    first = publish_copy(built, tmp_path)
    path = Path(first.folder) / name
    if content == "flipped":  # of the same size
        content = path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    again = publish_copy(built, tmp_path, run_id="other")
    assert again.folder == first.folder
    assert read_current(str(tmp_path)).manifest.run_id == "other"
    verify(again)


def test_current_is_replaced_at_once(built, tmp_path, monkeypatch):
    made = publish_copy(built, tmp_path)

    def fail(*_):
        raise OSError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", fail)
        with pytest.raises(OSError, match="the disk is gone"):
            point_to(index_root(str(tmp_path)), "another")
    assert read_current(str(tmp_path)) == made


@pytest.mark.parametrize("name", ["", " ", ".", "..", "../elsewhere", "/etc", "a/b", "a/"])
def test_current_names_a_folder_beside_it_and_no_other(tmp_path, name):
    root = Path(index_root(str(tmp_path)))
    root.mkdir()
    (root / "CURRENT").write_text(f"{name}\n")
    with pytest.raises(InputError, match="want a folder beside it"):
        read_current(str(tmp_path))


def test_a_current_that_names_what_is_not_there_is_refused(built, tmp_path):
    publish_copy(built, tmp_path)
    point_to(index_root(str(tmp_path)), "devise-v1-v3-00000000")
    with pytest.raises(InputError, match="v3-00000000 is not an index bundle, it has no manifest"):
        read_current(str(tmp_path))


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"format": 1}', '{"format": 2}'])
def test_what_is_no_manifest_is_refused(built, tmp_path, text):
    path = Path(publish_copy(built, tmp_path).folder) / "manifest.json"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(InputError, match="run build_index again"):
        read_current(str(tmp_path))


def test_a_bundle_of_another_model_is_refused(built, tmp_path):
    made = publish_copy(built, tmp_path)
    made.require_model("devise-v1")
    with pytest.raises(InputError, match="is of model devise-v1, and devise-v2 was asked for"):
        made.require_model("devise-v2")


def test_a_process_opens_a_bundle_once(built, tmp_path):
    made = publish_copy(built, tmp_path)
    index = made.open()
    assert read_current(str(tmp_path)).open() is index
    rows = index.search(QUERIES, 4).rows
    assert rows.tolist() == best_rows(built.vectors, QUERIES, 4).tolist()
    other = publish_copy(built, tmp_path, table_version=4)
    assert other.open() is not index


def test_a_bundle_of_a_disk_is_not_copied(built, tmp_path, cache):
    made = publish_copy(built, tmp_path / "work")
    assert fetch_bundle(made) == Path(made.folder)
    assert not cache.exists()


def test_a_bundle_of_a_store_is_published_and_searched_by_a_copy(built, bucket, s3_files, cache):
    work_dir = f"s3a://{bucket}/work"
    made = publish_on_store(built, s3_files, work_dir)
    assert read_current(work_dir) == made
    assert not list(s3_files.below(f"{index_root(work_dir)}/.build-x"))
    verify(made)
    for index in (made.open(), SearchIndex.open(made.folder)):
        rows = index.search(QUERIES, 4).rows
        assert rows.tolist() == best_rows(built.vectors, QUERIES, 4).tolist()
    copy = fetch_bundle(made)
    assert copy.is_relative_to(cache)
    before = {path: path.stat().st_ino for path in copy.rglob("*")}
    s3_files.remove(f"{made.folder}/base/index.faiss")  # the copy does without it
    assert fetch_bundle(made) == copy
    assert {path: path.stat().st_ino for path in copy.rglob("*")} == before


def test_bundles_of_a_store_share_the_copies_of_files_that_they_have_in_common(
    built, bucket, s3_files, cache
):
    work_dir = f"s3a://{bucket}/work"
    first = publish_on_store(built, s3_files, work_dir)
    base = {n: about for n, about in built.manifest.files.items() if n.startswith("base/")}
    second = publish_on_store(built, s3_files, work_dir, files=base, recall_target=0.5)
    copies = [fetch_bundle(each) / "base" / "index.faiss" for each in (first, second)]
    assert copies[0] != copies[1]
    assert copies[0].samefile(copies[1])
    assert copies[0].is_relative_to(cache)


def test_a_bundle_of_a_store_that_was_changed_is_not_opened(built, bucket, s3_files, cache):
    made = publish_on_store(built, s3_files, f"s3a://{bucket}/work")
    s3_files.write(f"{made.folder}/delta-000001/ids.npy", b"changed")
    with pytest.raises(InputError, match=r"ids\.npy was changed: its SHA-256 is"):
        made.open()
    with pytest.raises(InputError, match=r"ids\.npy was changed: its SHA-256 is"):
        verify(made)
    assert not list(cache.glob("folder-*"))


def test_on_a_store_the_newest_bundles_are_kept_and_a_damaged_one_is_replaced(
    built, bucket, s3_files
):
    work_dir = f"s3a://{bucket}/work"
    made = [
        publish_on_store(built, s3_files, work_dir, keep=2, table_version=version)
        for version in (1, 2, 3)
    ]
    assert read_current(work_dir) == made[2]
    names = {child.name for child in s3_files.children(index_root(work_dir))}
    assert made[2].name in names
    assert len(names & {each.name for each in made}) == 2
    s3_files.write(f"{made[2].folder}/base/lists.npy", b"damaged")
    again = publish_on_store(built, s3_files, work_dir, keep=2, table_version=3, run_id="other")
    assert again.folder == made[2].folder
    assert read_bundle(again.folder).manifest.run_id == "other"
    verify(again)
