import hashlib
import multiprocessing
import os
import random
from pathlib import Path

import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.storage import copies
from devise_lib.storage.copies import (
    WrittenFile,
    cached_folder,
    fetched,
    fetched_folder,
    state_folder,
    write_file,
    write_hashed,
)
from devise_lib.storage.stores import StoreAccess

DATA = random.Random(1).randbytes(200_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """The folder of copies, below a TMPDIR of the test's own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path / f"devise-cache-{os.getuid()}"


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put(files, folder: str, contents: dict[str, bytes]) -> dict[str, str]:
    """Writes files into a folder of a store; returns their digests."""
    for name, content in contents.items():
        files.write(f"{folder}/{name}", content)
    return {name: digest_of(content) for name, content in contents.items()}


def fetch(settings, folder: str, digests: dict[str, str]) -> str:
    StoreAccess(settings).open()
    return str(cached_folder(folder, digests))


def test_processes_of_a_machine_share_one_copy(bucket, s3_files, cache):
    folder = f"s3a://{bucket}/bundle"
    digests = put(s3_files, folder, {"base/index.faiss": DATA, "ids": b"ids"})
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        asked = [pool.apply_async(fetch, (s3_files.settings, folder, digests)) for _ in range(6)]
        found = {each.get(60) for each in asked}
    [copy] = map(Path, found)
    assert copy.parent == cache
    assert (copy / "base" / "index.faiss").read_bytes() == DATA
    assert (copy / "ids").read_bytes() == b"ids"
    assert len(list(cache.glob("folder-*"))) == 1
    assert not list(cache.glob(".draft-*"))
    s3_files.remove(folder)
    assert cached_folder(folder, digests) == copy


def test_folders_share_the_copies_of_files_that_they_have_in_common(bucket, s3_files, cache):
    one, two = (f"s3a://{bucket}/{name}" for name in ("one", "two"))
    first = cached_folder(one, put(s3_files, one, {"base/x": DATA, "y": b"1"}))
    digests = put(s3_files, two, {"base/x": DATA, "y": b"2"})
    s3_files.remove(f"{two}/base/x")  # is not asked for again
    second = cached_folder(two, digests)
    assert (first / "base" / "x").samefile(second / "base" / "x")
    assert [(folder / "y").read_bytes() for folder in (first, second)] == [b"1", b"2"]
    assert len(list(cache.glob("file-*"))) == 3


def test_a_folder_of_which_a_file_was_changed_is_not_copied(bucket, s3_files, cache):
    folder = f"s3a://{bucket}/bundle"
    digests = put(s3_files, folder, {"a": b"a", "b": DATA})
    s3_files.write(f"{folder}/b", b"changed")
    with pytest.raises(InputError, match=r"bundle/b was changed: its SHA-256 is .*, want"):
        cached_folder(folder, digests)
    assert not list(cache.glob("folder-*"))
    s3_files.remove(f"{folder}/b")
    with pytest.raises(FileNotFoundError):
        cached_folder(folder, digests)
    s3_files.write(f"{folder}/b", DATA)
    assert (cached_folder(folder, digests) / "b").read_bytes() == DATA


def test_a_folder_of_a_disk_is_its_own_copy(cache, tmp_path):
    assert cached_folder(str(tmp_path / "bundle"), {"a": SHA256}) == tmp_path / "bundle"
    assert not cache.exists()


def test_copies_that_nobody_has_asked_for_are_removed_by_the_next_fetch(bucket, s3_files, cache):
    """A file that another folder still has stays."""
    folders = [f"s3a://{bucket}/{name}" for name in ("old", "used", "new")]
    contents = [{"x": DATA, "y": b"y"}, {"x": DATA, "z": b"z"}, {"v": b"v"}]
    digests = [put(s3_files, *each) for each in zip(folders, contents, strict=True)]
    old, used = (cached_folder(*each) for each in list(zip(folders, digests, strict=True))[:2])
    os.utime(old, (0, 0))
    cached_folder(folders[1], digests[1])
    assert old.exists()  # nothing was fetched
    new = cached_folder(folders[2], digests[2])
    assert set(cache.glob("folder-*")) == {used, new}
    kept = {path.name.removeprefix("file-") for path in cache.glob("file-*")}
    assert kept == {digest_of(content) for content in (DATA, b"z", b"v")}


def test_asking_for_a_copy_keeps_it(bucket, s3_files, cache):
    folder = f"s3a://{bucket}/bundle"
    digests = put(s3_files, folder, {"x": DATA})
    copy = cached_folder(folder, digests)
    os.utime(copy, (0, 0))
    assert cached_folder(folder, digests) == copy
    assert copy.stat().st_mtime > 1_000_000
    assert copy.parent == cache


def test_a_cache_folder_that_another_has_put_there_is_refused(cache, tmp_path):
    (tmp_path / "others").mkdir()
    cache.symlink_to(tmp_path / "others")
    with pytest.raises(InputError, match="set TMPDIR to a folder of your own"):
        copies.cache_folder()


def test_files_are_written_and_fetched_by_way_of_this_disk(bucket, s3_files, tmp_path):
    for path in (f"s3a://{bucket}/a/x.bin", str(tmp_path / "a" / "x.bin")):
        write_file(path, lambda local: local.write_bytes(DATA))
        with fetched(path) as local:
            assert local.read_bytes() == DATA
        assert local.exists() == (str(local) == path)
    s3_files.write(f"s3a://{bucket}/a/below/y", b"y")
    with fetched_folder(f"s3a://{bucket}/a") as folder:
        names = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert names == {"x.bin", "below/y"}
    assert not folder.exists()
    with pytest.raises(FileNotFoundError), fetched(f"s3a://{bucket}/none"):
        pass


@pytest.mark.usefixtures("s3_files")
def test_the_size_and_digest_of_a_file_are_those_of_what_is_written(bucket, tmp_path):
    def write(file) -> None:
        for start in range(0, len(DATA), 7_001):
            file.write(memoryview(DATA)[start : start + 7_001])

    for path in (f"s3a://{bucket}/a.bin", str(tmp_path / "below" / "a.bin")):
        assert write_hashed(path, write) == WrittenFile(len(DATA), SHA256)
        with fetched(path) as local:
            assert local.read_bytes() == DATA
    numbers = np.arange(10, dtype=np.int64)
    assert write_hashed(str(tmp_path / "n"), lambda file: file.write(numbers)).size == 80


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail(file) -> None:
        file.write(DATA)
        raise KeyError("half of it")

    with pytest.raises(KeyError, match="half of it"):
        write_hashed(str(path), fail)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"old"]


def test_what_only_a_disk_can_hold_lies_in_one_place_for_both_names_of_a_store(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    one = state_folder("s3a://bucket/lake/devise")
    assert one == state_folder("s3://bucket/lake/devise")
    assert one.parent == Path("/home/somebody/.devise")
    assert one.name.startswith("devise-")
    assert one != state_folder("s3a://other/lake/devise")
    assert state_folder("/work") == Path("/work")
