from pathlib import Path

import pytest

from devise_lib.errors import InputError
from devise_lib.storage.folders import (
    draft_of,
    move_file,
    move_folder,
    replace_folder,
    written_to,
)
from devise_lib.storage.remote import RemoteFiles

NAMES = ("a", "b", "c")


def make(folder: Path, text: str, *more: str) -> Path:
    for name in (*NAMES, *more):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def texts(folder: Path) -> set[str]:
    assert {path.name for path in folder.iterdir() if path.is_file()} == set(NAMES)
    return {(folder / name).read_text() for name in NAMES}


def test_a_folder_takes_the_place_of_another_and_keeps_what_others_have_put_there(tmp_path):
    place = tmp_path / "place"
    for text in ("first", "second"):
        replace_folder(make(tmp_path / "fresh", text), str(place), keep=["others"])
        assert texts(place) == {text}
        (place / "others").mkdir(exist_ok=True)
        (place / "others" / "x").write_text("theirs")
    replace_folder(make(tmp_path / "fresh", "third"), str(place), keep=["others"])
    assert texts(place) == {"third"}
    assert (place / "others" / "x").read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


@pytest.mark.parametrize("renames", range(4))
def test_a_killed_replacement_leaves_a_whole_folder_or_none_and_the_next_one_mends_it(
    tmp_path, monkeypatch, renames
):
    """The kind of fault: a killed run that leaves half of a result, which a reader takes for whole.

    The process is ended before each of its renames, and within the removal of the old folder.
    """
    place = tmp_path / "place"
    make(place, "old", "others/x")
    left, rename = [renames], Path.rename

    def die(path, target):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return rename(path, target)

    def die_removing(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", die)
        if renames == 3:  # the last one is done
            patch.setattr("devise_lib.storage.folders.rmtree", die_removing)
        with pytest.raises(KeyboardInterrupt):
            replace_folder(make(tmp_path / "fresh", "new"), str(place), keep=["others"])
    if place.exists():
        assert texts(place) in ({"old"}, {"new"})
    else:
        assert renames == 1
    replace_folder(make(tmp_path / "again", "newest"), str(place), keep=["others"])
    assert texts(place) == {"newest"}
    assert (place / "others" / "x").read_text() == "old"
    assert not (tmp_path / "place.old").exists()


def test_what_lies_in_the_way_and_cannot_be_removed_is_told_before_anything_changes(tmp_path):
    """The kind of fault: a removal whose failure is ignored, so that a later step fails oddly.

    A link is never removed, since what it leads to is another's.
    """
    place, others = make(tmp_path / "place", "old"), make(tmp_path / "others", "theirs")
    (tmp_path / "place.old").symlink_to(others)
    with pytest.raises(InputError, match=r"place\.old is in the way of a new place and cannot be"):
        replace_folder(make(tmp_path / "fresh", "new"), str(place))
    assert texts(place) == {"old"}
    assert texts(tmp_path / "fresh") == {"new"}
    assert texts(others) == {"theirs"}


@pytest.mark.parametrize("leads_to", ["others", "nothing"])
def test_a_link_or_a_file_is_not_replaced(tmp_path, leads_to):
    """The kind of fault: a link of the user's is taken for a folder of ours, and is lost."""
    others = make(tmp_path / "others", "theirs")
    (tmp_path / "place").symlink_to(tmp_path / leads_to)
    (tmp_path / "file").touch()
    for name in ("place", "file"):
        with pytest.raises(InputError, match=f"{name} is a link or a file where a folder is to be"):
            replace_folder(make(tmp_path / "fresh", "new"), str(tmp_path / name))
    assert texts(others) == {"theirs"}
    assert {path.name for path in tmp_path.iterdir()} == {"place", "file", "others", "fresh"}


def test_a_draft_begins_with_nothing_and_leaves_nothing(tmp_path):
    """The kind of fault: a killed run leaves files under a name that nobody looks for again."""
    place = tmp_path / "some" / "place"
    with draft_of(str(place)) as draft:
        make(draft, "draft")
        replace_folder(draft, str(place))
    make(draft, "of a killed run")
    with draft_of(str(place)) as draft:
        assert not draft.exists()
        make(draft, "refused")
    assert texts(place) == {"draft"}
    assert [path.name for path in place.parent.iterdir()] == ["place"]


def stored(files, folder: str) -> dict[str, bytes]:
    """The content of every file of a store's folder, by its name below it."""
    return {s.path.removeprefix(f"{folder}/"): files.read(s.path) for s in files.below(folder)}


def test_a_folder_of_a_store_is_replaced_and_its_mark_is_written_last(
    tmp_path, bucket, s3_files, monkeypatch
):
    """The kind of fault: a killed run that leaves half of a result, which a reader takes for whole.

    The upload ends before each of its files. A folder with its mark is then of one version.
    """
    place = f"s3a://{bucket}/export"
    replace_folder(make(tmp_path / "old", "old", "below/x"), place, last="c")
    s3_files.write(f"{place}/others/x", b"theirs")
    fresh = make(tmp_path / "fresh", "new")
    upload = RemoteFiles.upload
    for left in range(4):
        count = [left]

        def die(self, source, path, count=count):
            if not count[0]:
                raise KeyboardInterrupt
            count[0] -= 1
            upload(self, source, path)

        with monkeypatch.context() as patch:
            patch.setattr(RemoteFiles, "upload", die)
            if left < 3:
                with pytest.raises(KeyboardInterrupt):
                    replace_folder(fresh, place, keep=["others"], last="c")
                assert "c" not in stored(s3_files, place)
            else:
                replace_folder(fresh, place, keep=["others"], last="c")
    wanted = {name: b"new" for name in NAMES}
    assert stored(s3_files, place) == {**wanted, "others/x": b"theirs"}


def test_a_draft_for_a_store_lies_on_this_disk_and_leaves_nothing(bucket, s3_files):
    place = f"s3a://{bucket}/export"
    with draft_of(place) as draft:
        assert not draft.exists()
        replace_folder(make(draft, "draft"), place)
    assert not draft.parent.exists()
    with written_to(f"{place}/more") as local:
        (local / "below").mkdir()
        (local / "below" / "x").write_text("x")
    assert set(stored(s3_files, place)) == {*NAMES, "more/below/x"}


def test_files_and_folders_of_a_store_move_within_it(bucket, s3_files, monkeypatch):
    root = f"s3a://{bucket}"
    for name, content in {"new/a": b"1", "new/mark": b"2", "old/a": b"0", "old/b": b"0"}.items():
        s3_files.write(f"{root}/{name}", content)
    monkeypatch.setattr(RemoteFiles, "download", None)  # a call would fail
    monkeypatch.setattr(RemoteFiles, "upload", None)
    move_folder(f"{root}/new", f"{root}/old", last="mark")
    assert stored(s3_files, root) == {"old/a": b"1", "old/mark": b"2"}
    move_file(f"{root}/old/a", f"{root}/a")
    assert stored(s3_files, root) == {"a": b"1", "old/mark": b"2"}
    move_file(f"{root}/none", f"{root}/a")  # it has no successor
    assert stored(s3_files, root) == {"old/mark": b"2"}


def test_local_files_and_folders_move(tmp_path):
    make(tmp_path / "new", "new")
    make(tmp_path / "old", "old")
    move_folder(f"{tmp_path}/new", f"{tmp_path}/old", last="c")
    assert texts(tmp_path / "old") == {"new"}
    move_file(f"{tmp_path}/old/a", f"{tmp_path}/below/a")
    assert (tmp_path / "below" / "a").read_text() == "new"
    move_file(f"{tmp_path}/none", f"{tmp_path}/below/a")
    assert not (tmp_path / "below" / "a").exists()
