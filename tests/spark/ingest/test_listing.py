import os
from functools import reduce
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import DataFrame

from devise_lib.config.photos import PhotoSource
from devise_lib.errors import InputError
from devise_lib.spark.ingest import listing
from devise_lib.spark.ingest.listing import list_files, plan_folders, visible, walk
from devise_lib.spark.ingest.sources import find_place
from devise_lib.spark.tables.caching import PersistScope
from devise_lib.storage.files import LOCAL_FILES, FileStatus


class Tree:
    """A file system of nested mappings; a name that leads to None is a file."""

    def __init__(self, tree: dict) -> None:
        self.tree, self.looked_at = tree, 0

    def entries(self, folder: str):
        here = self.tree
        for name in folder.strip("/").split("/")[1:]:
            here = here[name]
        for name, below in here.items():
            self.looked_at += 1
            yield FileStatus(f"{folder}/{name}", name, 1, below is not None, 0.0)


trees = st.recursive(
    st.none(),
    lambda below: st.dictionaries(st.sampled_from("abcd"), below, max_size=4),
    max_leaves=20,
).filter(lambda tree: tree is not None)


@given(trees, st.integers(1, 30), st.integers(1, 30))
def test_the_folders_for_tasks_hold_each_file_once_however_little_was_looked_at(
    tree, wanted, entries
):
    files = Tree(tree)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "DRIVER_ENTRIES", entries)
        plan = plan_folders(files, "/top", wanted)
    assert files.looked_at <= 2 * entries + 1
    found = []
    for folder, deep in plan:
        if deep:
            found += [each.path for each in walk(files, folder, "/top")]
        else:
            found += [e.path for e in visible(files, folder, "/top") if not e.is_folder]
    assert sorted(found) == sorted(each.path for each in walk(files, "/top", "/top"))
    assert len(set(found)) == len(found)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Folders in folders, hidden ones, and links: to a file, to a folder, round, to nowhere."""
    top = tmp_path / "top"
    for name in (
        "1.png",
        "a/2.png",
        "a/b/3.png",
        "a/b/c/4.png",
        ".x/5.png",
        "a/.6.png",
        "_d/7.png",
    ):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(b"x" * 7)
    (top / "a/link.png").symlink_to(top / "1.png")
    (top / "e").symlink_to(top / "a/b")
    (top / "a/b/up").symlink_to(top)
    (top / "_d/out").symlink_to(tmp_path)
    (top / "none.png").symlink_to(top / "nothing")
    (top / "self.png").symlink_to(top / "self.png")
    return top


WANTED = {"1.png", "a/2.png", "a/b/3.png", "a/b/c/4.png", "a/link.png", "_d/7.png"}
LINKED = {"e/3.png", "e/c/4.png"}


def test_links_are_followed_but_not_round_in_a_circle(folder):
    found = [
        os.path.relpath(each.path, folder) for each in walk(LOCAL_FILES, str(folder), str(folder))
    ]
    assert sorted(found) == sorted(WANTED | LINKED)


def test_two_links_that_lead_to_each_other_have_an_end(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(b"x")
    (tmp_path / "a/b").symlink_to(tmp_path / "b")
    (tmp_path / "b/a").symlink_to(tmp_path / "a")
    found = {
        os.path.relpath(e.path, tmp_path) for e in walk(LOCAL_FILES, str(tmp_path), str(tmp_path))
    }
    assert found == {"a/1.png", "b/1.png", "a/b/1.png", "b/a/1.png"}


def test_a_folder_that_cannot_be_listed_is_told_and_one_that_is_gone_is_empty(
    tmp_path, monkeypatch
):
    assert list(visible(LOCAL_FILES, str(tmp_path / "gone"), str(tmp_path))) == []

    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"cannot be listed .*Permission denied.*taken for gone"):
        list(visible(LOCAL_FILES, str(tmp_path), str(tmp_path)))


@pytest.mark.spark
@pytest.mark.parametrize("entries", [1, 20_000])
def test_tasks_list_what_a_walk_does(spark, folder, monkeypatch, entries, s3_files, bucket):
    monkeypatch.setattr(listing, "DRIVER_ENTRIES", entries)
    monkeypatch.setattr(listing, "FOLDERS_PER_SLOT", 2)
    (folder / "none.png").unlink()
    (folder / "self.png").unlink()
    store = f"s3a://{bucket}/data"
    for path in sorted(WANTED | LINKED):  # a store has no links
        s3_files.upload(folder / path, f"{store}/{path}")
    places = [find_place(PhotoSource(path=path)) for path in (str(folder), store)]
    with PersistScope() as persist:  # together, since each Spark job takes its time
        listed = [list_files(spark, place, persist) for place in places]
        found = reduce(DataFrame.unionByName, listed).collect()
    wanted = sorted(WANTED | LINKED)
    assert len(found) == 2 * len(wanted)
    for root in (f"file:{folder}/", f"{store}/"):
        rows = [row for row in found if row["path"].startswith(root)]
        assert sorted(row["path"].removeprefix(root) for row in rows) == wanted
        assert {row["size_bytes"] for row in rows} == {7}
        for row in rows:
            below = row["path"].removeprefix(root)
            status = s3_files.status if root == f"{store}/" else LOCAL_FILES.status
            changed = status(f"{root.removeprefix('file:')}{below}").modified_s
            assert row["modified_us"] == pytest.approx(changed * 1e6, abs=1)
