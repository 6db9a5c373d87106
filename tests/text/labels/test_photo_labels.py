import numpy as np
import pytest
from scipy.io import savemat

from devise_lib.errors import InputError
from devise_lib.text.labels.photo_labels import read_photo_labels


@pytest.fixture
def write(tmp_path):
    def write_file(name: str, *lines: str) -> str:
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(tmp_path / name)

    return write_file


@pytest.mark.parametrize(
    "line",
    [
        "ILSVRC2012_val_00000007.JPEG n01440764",
        "ILSVRC2012_val_00000007\tn01440764",
        "ILSVRC2012_val_00000007,n01440764 13 0 99 200 n02085620 1 1 2 2",  # of Kaggle
        "ILSVRC2012_val_00000007.JPEG\tn01440764\t0\t32\t44\t62",  # as Tiny ImageNet's
    ],
)
def test_a_photo_is_found_by_its_file_name(write, line):
    found = read_photo_labels(write("val.txt", "ImageId,PredictionString", line))
    assert found.find("file:/in/val/ILSVRC2012_val_00000007.JPEG") == "n01440764"
    assert found.find("file:/in/val/ILSVRC2012_val_00000008.JPEG") is None


def meta(path, ids) -> str:
    kind = [("ILSVRC2012_ID", object), ("WNID", object), ("words", object)]
    rows = [(float(number), f"n{number:08d}", "some words") for number in ids]
    savemat(path, {"synsets": np.array(rows, dtype=kind).reshape(-1, 1)})
    return str(path)


def test_the_ground_truth_of_ilsvrc_is_read_with_its_meta_mat(write, tmp_path):
    truth = write("ILSVRC2012_validation_ground_truth.txt", "3", "1", "3")
    found = read_photo_labels(truth, meta(tmp_path / "meta.mat", [2, 1, 3]))
    assert found.find("/val/ILSVRC2012_val_00000001.JPEG") == "n00000003"
    assert found.find("/val/ILSVRC2012_val_00000002.JPEG") == "n00000001"
    assert found.find("/val/ILSVRC2012_val_00000004.JPEG") is None
    assert found.find("/val/notes.txt") is None
    assert len(found.by_name) == 3


def test_numbers_may_stand_for_the_lines_of_a_list_of_classes(write):
    classes = write("classes.txt", "n7", "n8")
    assert read_photo_labels(write("a.txt", "2", "1"), classes).find("x_2.png") == "n7"
    assert read_photo_labels(write("b.txt", "x.png 2"), classes).find("x.png") == "n8"


@pytest.mark.parametrize(
    ("lines", "classes", "message"),
    [
        (["a.png n1", "b.png"], False, "line 2: want a file name and a label per line"),
        (["1", "b.png n1"], True, "line 2: want a file name and a label per line"),
        (["a.png n1", "a.png n2"], False, r"line 2: the photo 'a.png' comes twice"),
        (["1", "3"], True, r"line 2: '3' is no class of .*classes.txt, which has 1 to 2"),
        (["a.png 0"], True, r"line 1: '0' is no class of"),  # counted from 0: one beside it all
        (["1"], False, r"line 1: '1' is the number of a class: give `classes`"),
        ([], False, "no photo in it"),
    ],
)
def test_a_bad_list_is_told_with_its_line(write, lines, classes, message):
    path = write("classes.txt", "n1", "n2") if classes else ""
    with pytest.raises(InputError, match=message):
        read_photo_labels(write("list.txt", *lines), path)


def test_what_is_no_meta_mat_is_told(write, tmp_path):
    truth = write("truth.txt", "1")
    savemat(tmp_path / "other.mat", {"x": np.eye(2)})
    for path in (write("bad.mat", "no matrix"), str(tmp_path / "other.mat")):
        with pytest.raises(InputError, match=r"\.mat: want meta\.mat of ILSVRC2012"):
            read_photo_labels(truth, path)
