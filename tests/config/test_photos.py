"""Sources of photos as they are configured: their paths and their names."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from devise_lib.config.photos import IngestPhotos, PhotoSource
from devise_lib.config.types import FolderLabels, LabelTable
from devise_lib.config.words import ParseWikipedia, TrainWord2vec


def name_of(**source: object) -> str:
    return IngestPhotos(source=[source]).sources()[0].name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/x/2019.05.trip", "2019.05.trip"),
        ("/x/2019.06.trip/", "2019.06.trip"),
        ("/a/b//", "b"),
        ("/a/b/../c", "c"),
        ("/a/set1.tar", "set1"),
        ("/a/cifar-10-binary.tar.gz", "cifar-10-binary"),
        ("/a/photos.tgz", "photos"),
        ("/a/photos.v2.tar", "photos.v2"),
        ("/a/.tar", ".tar"),
        ("file:///a/my photos", "my photos"),
        ("s3a://bucket/2019.05", "2019.05"),
        ("s3a://bucket/", "bucket"),
        ("dbfs:/a/b", "b"),
    ],
)
def test_a_source_has_the_name_of_its_folder(path, name):
    """Of the kind: a name is made from the text of a path, not from what lies there."""
    assert name_of(path=path) == name


def test_the_current_folder_and_those_above_it_have_their_own_names(tmp_path, monkeypatch):
    folder = tmp_path / "trip" / "day 1"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    assert [name_of(path=path) for path in (".", "./", "..", "../day 1")] == [
        *("day 1", "day 1", "trip", "day 1")
    ]


def test_a_table_of_a_catalog_has_its_own_name_and_one_at_a_path_that_of_its_folder():
    assert name_of(path="main.app.uploads", kind="table") == "uploads"
    assert name_of(path="/data/main.app", kind="table") == "main.app"


def test_the_name_of_a_source_is_in_nfc_and_may_be_part_of_an_id():
    """Of two kinds: names are compared byte by byte, and blanks are taken for a name."""
    assert name_of(path="/a/cafe\u0301") == name_of(path="/a", name="cafe\u0301") == "caf\u00e9"
    for name in (" ", "a/b", "/"):
        with pytest.raises(ValidationError, match="name"):
            PhotoSource(path="/a", name=name)
    with pytest.raises(ValidationError, match="has no last part"):
        PhotoSource(path="catalog.db.", kind="table")


def test_a_folder_whose_name_looks_like_a_pattern_names_itself(tmp_path):
    folder = tmp_path / "trip [2019]"
    with pytest.raises(ValidationError, match="since it ends in a pattern: give it a `name`"):
        PhotoSource(path=str(folder))
    folder.mkdir()
    assert name_of(path=str(folder)) == "trip [2019]"


@pytest.mark.parametrize("path", ["/", "/..", "s3a://", "dbfs:/"])
def test_a_root_has_no_name_and_wants_one(path):
    with pytest.raises(ValidationError, match="its path has no last part: give it a `name`"):
        PhotoSource(path=path)
    assert name_of(path=path, name="all") == "all"


def test_sources_with_dots_in_their_names_are_two_sources():
    config = IngestPhotos(source=["/x/2019.05.trip", "/x/2019.06.trip"])
    assert [source.name for source in config.sources()] == ["2019.05.trip", "2019.06.trip"]


@pytest.mark.parametrize(
    "make",
    [
        lambda text: IngestPhotos(source=text),
        lambda text: IngestPhotos(source=["/a", text]),
        lambda text: IngestPhotos(source={"path": text}),
        lambda text: LabelTable(kind="table", name="a", path=text),
        lambda text: FolderLabels(kind="folders", name="a", folder=text, split="/s.json"),
        lambda text: FolderLabels(kind="folders", name="a", folder="/a", split=text),
        lambda text: ParseWikipedia(dump=text),
        lambda text: TrainWord2vec(similarities=["/a", text]),
    ],
)
def test_an_empty_path_is_never_the_current_folder(make):
    """As an unset variable of a shell leaves it."""
    for text in ("", "  ", "\n"):
        with pytest.raises(ValidationError, match="want a path, and it is empty"):
            make(text)


def test_a_path_that_may_be_left_out_may_be_empty_but_not_blank():
    assert TrainWord2vec(vectors="").vectors == ""
    assert PhotoSource(path="/a", labels="").labels == ""
    for make in (lambda: TrainWord2vec(vectors=" "), lambda: PhotoSource(path="/a", labels=" ")):
        with pytest.raises(ValidationError, match="want a path, and it is empty"):
            make()


def test_a_work_folder_that_delta_cannot_write_to_is_told():
    with pytest.raises(ValidationError, match="want a folder without a ` in its path"):
        IngestPhotos(source="/a", work_dir="/w/a`b")


def test_the_name_of_a_folder_does_not_depend_on_where_it_is_asked_from(tmp_path, monkeypatch):
    (tmp_path / "a.b").mkdir()
    monkeypatch.chdir(tmp_path)
    assert name_of(path="a.b") == name_of(path=str(Path("a.b").absolute())) == "a.b"
