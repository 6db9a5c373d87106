import os

import pytest

from devise_lib.errors import InputError
from devise_lib.reasons import Reason
from devise_lib.spark.photos import reading
from devise_lib.spark.photos.reading import make_reader, read_photo
from devise_lib.storage.faults import StoreError
from devise_lib.storage.files import LOCAL_FILES, LocalFiles
from devise_lib.storage.stores import StoreAccess


class Broken(LocalFiles):
    """A file system that finds files and opens none."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def open_range(self, path, start, stop):  # noqa: ARG002
        raise self._error


def test_a_file_is_read_whole_by_its_path_or_uri(tmp_path):
    content = os.urandom(3 << 20)
    path = tmp_path / "a b%20.jpg"
    path.write_bytes(content)
    read = make_reader(StoreAccess())
    assert read(str(path)) == read(f"file:{path}") == read(f"file://{path}") == content


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FileNotFoundError("gone meanwhile"), Reason.MISSING_FILE),
        (PermissionError(13, "Permission denied"), Reason.PERMISSION),
        (StoreError("{path}: the store denies access", "denied"), Reason.PERMISSION),
        (StoreError("{path} is gone", "gone"), Reason.MISSING_FILE),
        (OSError(5, "Input/output error"), Reason.READ_ERROR),
        (StoreError("{path}: there is no such bucket"), Reason.READ_ERROR),
        (InputError("there is no such store"), Reason.READ_ERROR),
    ],
)
def test_what_goes_wrong_has_its_class_and_a_message(tmp_path, error, reason):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"x")
    if isinstance(error, StoreError):
        error = StoreError(str(error).format(path=path), error.kind)
    found = read_photo(Broken(error), str(path))
    assert found.reason is reason
    assert found.message.count(str(path)) == 1


def test_a_store_that_serves_nothing_is_no_fault_of_a_photo(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"x")
    with pytest.raises(StoreError, match="expired"):
        read_photo(Broken(StoreError("the credentials have expired", "outage")), str(path))


def test_a_file_that_is_not_there_and_a_folder_are_told_apart(tmp_path):
    assert read_photo(LOCAL_FILES, f"{tmp_path}/none.jpg").reason is Reason.MISSING_FILE
    assert read_photo(LOCAL_FILES, str(tmp_path)).reason is Reason.READ_ERROR


def test_a_file_that_no_task_should_hold_is_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "huge.jpg"
    path.write_bytes(b"x" * 11)
    monkeypatch.setattr(reading, "MAX_FILE_BYTES", 10)
    found = read_photo(Broken(AssertionError("it was opened")), str(path))
    assert (found.reason, found.message) == (Reason.TOO_LARGE, "11 bytes, at most 10 are read")
