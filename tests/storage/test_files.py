import pytest

from devise_lib.storage.files import LOCAL_FILES, folders_in

DATA = bytes(range(251)) * 40


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    file = tmp_path_factory.mktemp("files") / "data"
    file.write_bytes(DATA)
    return str(file)


def test_the_status_of_a_file_has_its_size_and_time(path, tmp_path):
    status = LOCAL_FILES.status(path)
    assert (status.name, status.size, status.is_folder) == ("data", len(DATA), False)
    assert status.modified_s > 1e9
    assert LOCAL_FILES.status(str(tmp_path / "none")) is None


def test_a_file_is_replaced_as_a_whole_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "some" / "made.json"
    for text in ("{}", "ä" * 10_000):
        LOCAL_FILES.write(str(path), text.encode())
        assert path.read_text(encoding="utf-8") == text
        assert list(path.parent.iterdir()) == [path]
    LOCAL_FILES.upload(path, f"{tmp_path}/other/copy")
    LOCAL_FILES.download(f"{tmp_path}/other/copy", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == LOCAL_FILES.read(str(path))


def test_files_and_folders_are_removed_and_what_a_link_leads_to_is_not(tmp_path):
    others = tmp_path / "others"
    for name in ("others/x", "folder/below/x", "file"):
        LOCAL_FILES.write(f"{tmp_path}/{name}", b"x")
    (tmp_path / "link").symlink_to(others)
    for name in ("link", "folder", "file", "none"):
        LOCAL_FILES.remove(f"{tmp_path}/{name}")
    assert [path.name for path in tmp_path.iterdir()] == ["others"]
    assert LOCAL_FILES.read(f"{others}/x") == b"x"


def test_all_files_below_a_folder_are_found(tmp_path):
    for name in ("a", "b/c", "b/d/e"):
        LOCAL_FILES.write(f"{tmp_path}/{name}", b"x")
    found = [status.path for status in LOCAL_FILES.below(str(tmp_path))]
    assert found == [f"{tmp_path}/{name}" for name in ("a", "b/c", "b/d/e")]
    assert list(LOCAL_FILES.below(f"{tmp_path}/none")) == []
    assert folders_in(LOCAL_FILES, str(tmp_path)) == ["b"]
    assert folders_in(LOCAL_FILES, f"{tmp_path}/a") is None
