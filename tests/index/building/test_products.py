import json

import pytest

from devise_lib.index.building.products import Product
from devise_lib.storage.copies import write_hashed


def make(folder) -> Product:
    """A step that has written two files."""
    files = {
        name: write_hashed(f"{folder}/{name}", lambda file, name=name: file.write(name.encode()))
        for name in ("shards/1.codes", "shards/1.ids")
    }
    product = Product(str(folder), "shards/1", "plan-a", files, {"rows": 7})
    product.write()
    return product


def read(folder, plan: str = "plan-a") -> Product | None:
    return Product.read(str(folder), "shards/1", plan)


def test_a_marker_says_what_was_finished(tmp_path):
    made = make(tmp_path)
    assert read(tmp_path) == made
    assert made.is_whole()
    assert made.path(".codes") == f"{tmp_path}/shards/1.codes"


def test_a_marker_of_another_plan_counts_as_none(tmp_path):
    make(tmp_path)
    assert read(tmp_path, "plan-b") is None


def test_a_step_without_a_marker_is_not_done(tmp_path):
    make(tmp_path)
    (tmp_path / "shards" / "1.json").unlink()
    assert read(tmp_path) is None


def test_a_step_that_lacks_a_file_is_not_done(tmp_path):
    make(tmp_path)
    (tmp_path / "shards" / "1.ids").unlink()
    assert read(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"shards/1.id", b"shards/1.idsx"])
def test_a_file_of_another_size_is_found(tmp_path, content):
    make(tmp_path)
    (tmp_path / "shards" / "1.ids").write_bytes(content)
    assert read(tmp_path) is None


def test_a_damaged_file_of_the_same_size_is_found_by_reading_it(tmp_path):
    make(tmp_path)
    (tmp_path / "shards" / "1.ids").write_bytes(b"shards/1.idS")
    found = read(tmp_path)
    assert found is not None
    assert not found.is_whole()


GARBAGE = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\x80\xff",
    b'{"plan": "plan-a"}',
    b'{"plan": "plan-a", "files": [], "values": {}}',
    b'{"plan": "plan-a", "files": {"x": {"size": 1}}, "values": {}}',
    b'{"plan": "plan-a", "files": {"x": 3}, "values": {}}',
]


@pytest.mark.parametrize("content", GARBAGE)
def test_a_marker_that_cannot_be_read_counts_as_none(tmp_path, content):
    make(tmp_path)
    (tmp_path / "shards" / "1.json").write_bytes(content)
    assert read(tmp_path) is None


def test_files_of_a_store_are_checked_as_those_of_a_disk(bucket, s3_files):
    folder = f"s3a://{bucket}/build"
    made = make(folder)
    assert read(folder) == made
    assert made.is_whole()
    assert json.loads(s3_files.read(f"{folder}/shards/1.json"))["values"] == {"rows": 7}
    s3_files.write(f"{folder}/shards/1.ids", b"shards/1.idS")
    assert not made.is_whole()
    s3_files.write(f"{folder}/shards/1.ids", b"short")
    assert read(folder) is None
