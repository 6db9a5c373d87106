import hashlib
import multiprocessing
import os
import random
from pathlib import Path

import pytest

from devise_lib.errors import InputError
from devise_lib.storage import copies
from devise_lib.storage.copies import cached, fetched, fetched_folder, state_folder, write_file
from devise_lib.storage.stores import StoreAccess

DATA = random.Random(1).randbytes(200_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """The folder of copies, below a TMPDIR of the test's own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path / f"devise-cache-{os.getuid()}"


def fetch(settings, path) -> str:
    StoreAccess(settings).open()
    return str(cached(path, SHA256))


def test_processes_of_a_machine_share_one_copy(bucket, s3_files, cache):
    path = f"s3a://{bucket}/index.faiss"
    s3_files.write(path, DATA)
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        asked = [pool.apply_async(fetch, (s3_files.settings, path)) for _ in range(6)]
        found = {each.get(60) for each in asked}
    assert found == {str(cache / f"{SHA256}-index.faiss")}
    assert Path(*found).read_bytes() == DATA
    assert len(list(cache.glob("*-*"))) == 1  # no draft is left
    s3_files.remove(path)
    assert cached(path, SHA256).exists()


def test_a_copy_that_nobody_has_asked_for_is_removed_by_the_next_fetch(bucket, s3_files, cache):
    path = f"s3a://{bucket}/index.faiss"
    s3_files.write(path, DATA)
    cache.mkdir()
    old, new = cache / "1-old", cache / "2-new"
    for copy in (old, new):
        copy.touch()
    os.utime(old, (0, 0))
    cached(path, SHA256)
    assert (old.exists(), new.exists()) == (False, True)


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


def test_what_only_a_disk_can_hold_lies_in_one_place_for_both_names_of_a_store(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    one = state_folder("s3a://bucket/lake/devise")
    assert one == state_folder("s3://bucket/lake/devise")
    assert one.parent == Path("/home/somebody/.devise")
    assert one.name.startswith("devise-")
    assert one != state_folder("s3a://other/lake/devise")
    assert state_folder("/work") == Path("/work")
