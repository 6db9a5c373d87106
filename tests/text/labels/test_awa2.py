import json

import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.text.labels.awa2 import FolderCheck, check_folders, read_attributes, read_awa2
from devise_lib.text.labels.label_files import Label

MATRIX = [[-1.0, 12.34, 0.0], [39.25, 0.0, 100.0], [0.0, 0.0, 5.0]]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "classes.txt").write_text("     1\tantelope\n     2\tkiller+whale\n     3\tox\n")
    (tmp_path / "testclasses.txt").write_text("ox\n")
    rows = "\n".join(" ".join(f"{value:9.2f}" for value in row) for row in MATRIX)
    (tmp_path / "predicate-matrix-continuous.txt").write_text(rows + "\n")
    return tmp_path


def test_the_classes_are_labels_and_those_of_the_test_list_unseen(folder):
    assert read_awa2(str(folder), "", "awa2") == [
        Label("antelope", ("antelope",), True, "awa2"),
        Label("killer+whale", ("killer whale",), True, "awa2"),
        Label("ox", ("ox",), False, "awa2"),
    ]
    proposed = folder / "proposed.txt"
    proposed.write_text("antelope\nkiller+whale\n")
    seen = {one.label for one in read_awa2(str(folder), str(proposed), "awa2") if one.seen}
    assert seen == {"ox"}


def test_test_classes_that_are_no_classes_are_counted(folder):
    (folder / "testclasses.txt").write_text("ox\nkiller whale\nyeti\n")
    with pytest.raises(InputError, match=r"2 of 3 classes are not in .*: killer whale, yeti; want"):
        read_awa2(str(folder), "", "awa2")


def test_attributes_are_the_rows_of_the_matrix_of_unit_length(folder):
    found = read_attributes(str(folder))
    assert list(found) == ["antelope", "killer+whale", "ox"]
    for vector, row in zip(found.values(), MATRIX, strict=True):
        assert vector.dtype == np.float32
        np.testing.assert_allclose(vector, row / np.linalg.norm(row), rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2\n3 4\n", "2 rows of attributes, want 3: one for each class"),
        ("1 2\n3 4 5\n6 7\n", "line 2: 3 attributes, want 2"),
        ("1 2\n3 x\n6 7\n", "line 2: want numbers"),
        ("1 2\nnan 4\n6 7\n", "line 2: want finite numbers"),
        ("1 2\n0 0\n6 7\n", "line 2: want finite numbers that are not all 0"),
    ],
)
def test_a_matrix_that_does_not_fit_is_told(folder, text, message):
    (folder / "predicate-matrix-continuous.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_attributes(str(folder))


def test_classes_and_folders_without_a_counterpart_are_named(folder):
    assert check_folders(str(folder)) == FolderCheck((), ())  # the release without its photos
    for name in ("killer+whale", "yeti", "bigfoot"):
        (folder / "JPEGImages" / name).mkdir(parents=True)
    assert check_folders(str(folder)) == FolderCheck(("antelope", "ox"), ("bigfoot", "yeti"))
    (folder / "JPEGImages" / "killer+whale").rename(folder / "JPEGImages" / "killer whale")
    with pytest.raises(InputError, match="none of its 3 folders is one of the 3 classes"):
        check_folders(str(folder))


@pytest.mark.data
def test_the_names_of_the_real_split_are_classes_as_the_release_spells_them(devise_data, tmp_path):
    split = json.loads((devise_data / "labels" / "awa2-split.json").read_text())
    names = split["train_names"] + split["test_names"]
    lines = [f"{i:6d}\t{name}" for i, name in enumerate(names, start=1)]
    (tmp_path / "classes.txt").write_text("\n".join(lines))
    (tmp_path / "testclasses.txt").write_text("\n".join(split["test_names"]))
    labels = read_awa2(str(tmp_path), "", "awa2")
    assert (len(labels), sum(one.seen for one in labels)) == (50, 40)
    assert labels[0].terms == ("killer whale",)
