import io
import os
import tarfile

import pytest

from devise_lib.errors import InputError
from devise_lib.storage.faults import StoreError
from devise_lib.storage.ranges import SeekableFile
from devise_lib.storage.remote import RemoteFiles
from devise_lib.storage.s3 import PAGE_KEYS
from devise_lib.storage.stores import StoreAccess, StoreFiles, store_files

DATA = bytes(range(251)) * 60


@pytest.fixture
def root(bucket) -> str:
    return f"s3a://{bucket}"


def test_reads_any_range_piece_by_piece(store, bucket, root, s3_settings):
    path = f"{root}/folder/data.bin"
    store.write(path, DATA)
    small = RemoteFiles("s3a", bucket, s3_settings, piece_bytes=1000)
    for start, stop in ((0, len(DATA)), (1, 2), (999, 3001), (5000, 5000), (len(DATA) - 3, 10**9)):
        for files in (store, small):
            with io.BufferedReader(files.open_range(path, start, stop)) as file:
                assert file.read() == DATA[start:stop]
    with store.open_range(path, len(DATA) + 5, len(DATA) + 9) as file:
        assert file.read(4) == b""


def test_a_tar_is_read_at_many_places(store, root, tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for n in range(20):
            member = tarfile.TarInfo(f"{n}.bin")
            member.size = 100 * n
            tar.addfile(member, io.BytesIO(DATA[: member.size]))
    store.upload(tmp_path / "a.tar", f"{root}/a.tar")
    status = store.status(f"{root}/a.tar")
    file = io.BufferedReader(SeekableFile(store, status.path, status.size), 512)
    with tarfile.open(fileobj=file) as tar:
        assert [m.size for m in tar.getmembers()] == [100 * n for n in range(20)]


def test_lists_and_finds_files_as_a_local_file_system_does(store, bucket, root, s3_client):
    for name in ("a.txt", "b b.txt", ".hidden", "é[1]*?.txt", "below/c.txt", "below/deep/d.txt"):
        store.write(f"{root}/top/{name}", name.encode())
    s3_client.put_object(Bucket=bucket, Key="top/")  # as some tools do for a folder
    there = store.status(f"{root}/top")
    assert (there.path, there.name, there.is_folder) == (f"{root}/top", "top", True)
    file = store.status(f"{root}/top/é[1]*?.txt")
    assert (file.path, file.size, file.is_folder) == (f"{root}/top/é[1]*?.txt", 11, False)
    assert file.modified_s > 1e9
    assert file.etag
    assert store.status(f"{root}/to") is None
    assert [s.name for s in store.children(f"{root}/top")] == sorted(
        ["a.txt", "b b.txt", ".hidden", "é[1]*?.txt", "below"]
    )
    listed = {s.path: s.is_folder for s in store.entries(f"{root}/top")}
    assert listed.pop(f"{root}/top/below")
    assert set(listed) == {f"{root}/top/{n}" for n in ("a.txt", "b b.txt", "é[1]*?.txt")}
    assert [s.name for s in store.entries(root)] == ["top"]  # of the whole bucket
    with pytest.raises(FileNotFoundError):
        list(store.entries(f"{root}/none"))


def test_a_folder_of_more_files_than_a_page_is_listed_whole(store, root):
    for n in range(PAGE_KEYS + 7):
        store.write(f"{root}/many/{n:05}", b"x")
    assert sum(1 for _ in store.entries(f"{root}/many")) == PAGE_KEYS + 7
    store.remove(f"{root}/many")
    assert store.status(f"{root}/many") is None


def test_a_file_is_created_once_replaced_as_a_whole_and_removed(store, root, tmp_path):
    path = f"{root}/one"
    assert store.read(path) is None
    assert store.create(path, b"first")
    assert not store.create(path, b"second")
    assert store.read(path) == b"first"
    before = store.status(path).etag
    store.write(path, b"third")
    assert store.status(path).etag != before
    store.download(path, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"third"
    store.copy(path, f"{root}/two")
    store.remove(path)
    store.remove(path)
    assert (store.read(path), store.read(f"{root}/two")) == (None, b"third")
    with pytest.raises(FileNotFoundError):
        store.download(path, tmp_path / "none")


def test_names_that_look_like_patterns_are_removed_alone(store, root):
    for name in ("a*", "ab", "a[b]"):
        store.write(f"{root}/{name}", b"x")
    store.remove(f"{root}/a*")
    store.remove(f"{root}/a[b]")
    assert [s.name for s in store.children(root)] == ["ab"]


def test_a_missing_bucket_is_not_taken_for_a_missing_file(s3_settings):
    files = StoreFiles(s3_settings)
    for ask in (files.status, files.read, lambda path: list(files.entries(path))):
        with pytest.raises(StoreError, match=r"s3a://no-such/f: there is no such bucket"):
            ask("s3a://no-such/f")


def test_an_unknown_store_is_told_with_those_that_are_known():
    with pytest.raises(InputError, match=r"nostore://b/f: there is no such store.*s3a://.*/dbfs"):
        StoreFiles({}).status("nostore://b/f")


def test_both_schemes_of_s3_and_local_paths_are_opened(bucket, s3_settings, tmp_path):
    files = StoreAccess(s3_settings).open()
    assert files is store_files()
    files.write(f"s3://{bucket}/x", b"1")
    assert files.read(f"s3a://{bucket}/x") == b"1"
    assert files.status(f"s3://{bucket}/x").path == f"s3://{bucket}/x"
    files.write(str(tmp_path / "a" / "x"), b"2")
    assert files.read(str(tmp_path / "a" / "x")) == b"2"
    files.remove(str(tmp_path / "a"))
    assert os.listdir(tmp_path) == []


def test_settings_are_not_shown_with_the_object(s3_settings):
    assert "secret-of-tests" not in repr(StoreAccess(s3_settings))
