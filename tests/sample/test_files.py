"""The files of the folder agree with the world and with one another."""

from pathlib import Path

import pytest

from devise_lib.sample import write_broken, write_photos, write_world_files
from devise_lib.sample.broken import iter_broken
from devise_lib.sample.things import THINGS
from devise_lib.sample.world import LABELS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "new"
    write_world_files(folder, seed=0)
    write_photos(folder, 0, 60, 60, seed=0)
    write_broken(folder, seed=0)
    return folder


def read_rows(path: Path, separator: str = "\t") -> list[list[str]]:
    return [line.split(separator) for line in path.read_text(encoding="utf-8").splitlines()]


def test_labels_are_those_of_the_world(folder: Path) -> None:
    header, *rows = read_rows(folder / "labels.tsv")
    assert header == ["label", "terms", "split", "aliases"]
    assert [row[0] for row in rows] == list(LABELS)
    by_label = {row[0]: row[1:] for row in rows}
    assert by_label["fire_truck"] == ["fire truck,fire engine", "unseen", "fire_engine"]
    assert by_label["horse"] == ["horse", "seen", ""]
    assert [row[2] == "seen" for row in rows] == [thing.seen for thing in THINGS]


def test_the_hierarchy_holds_every_label_as_a_leaf(folder: Path) -> None:
    edges = read_rows(folder / "hierarchy.txt", " ")
    assert all(len(edge) == 2 for edge in edges), "a name with a space in it"
    parents, children = {parent for parent, _ in edges}, {child for _, child in edges}
    assert children - parents == set(LABELS)
    assert parents - children == {"thing"}


def test_similarities_are_word_word_score(folder: Path) -> None:
    rows = read_rows(folder / "similarities.tsv")
    assert len(rows) >= 150
    for one, other, score in rows:
        assert other in LABELS
        assert " " not in one
        assert 0 <= float(score) <= 10


def test_broken_tsv_lists_the_files_that_are_there(folder: Path) -> None:
    header, *rows = read_rows(folder / "broken.tsv")
    assert header == ["path", "reason"]
    assert rows == [[path, reason] for path, _, reason in iter_broken(0)]
    assert all((folder / path).is_file() for path, _ in rows)


def test_every_label_has_its_folder_and_nothing_else_is_there(folder: Path) -> None:
    assert {path.name for path in (folder / "photos").iterdir()} == set(LABELS)
    files = [path for path in (folder / "photos").rglob("*") if path.is_file()]
    assert len(files) == 60 + len(list(iter_broken(0)))


def test_writing_again_changes_nothing(folder: Path, tmp_path: Path) -> None:
    write_world_files(tmp_path, seed=0)
    written = write_photos(tmp_path, 0, 30, 60, seed=0)
    written += write_photos(tmp_path, 30, 60, 60, seed=0)
    write_broken(tmp_path, seed=0)
    mine, theirs = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path, folder)
    )
    assert mine == theirs
    photos = [content for path, content in mine.items() if path.match("photos/*/*")]
    broken = [content for path, content in mine.items() if path.match("photos/*/broken-*")]
    assert written == sum(map(len, photos)) - sum(map(len, broken))
