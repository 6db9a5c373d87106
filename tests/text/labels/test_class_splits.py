import json

import pytest

from devise_lib.errors import InputError
from devise_lib.text.labels.class_splits import read_cifar_labels, read_folder_split
from devise_lib.text.labels.label_files import Label


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture
def folder(tmp_path):
    for name in ("Faces", "Faces_easy", "sea_horse", "snoopy", "cup"):
        (tmp_path / "photos" / name).mkdir(parents=True)
    (tmp_path / "photos" / "LICENSE").touch()
    return tmp_path / "photos"


def test_reads_labels_from_folders_and_their_split(tmp_path, folder):
    split = {
        "about": "three labels",
        "same": {"Faces_easy": "Faces"},
        "terms": {"Faces": ["face"]},
        "left_out": ["snoopy"],
        "unseen": ["sea_horse"],
    }
    path = write(tmp_path / "split.json", json.dumps(split, indent=1))
    assert read_folder_split(path, str(folder), "caltech") == [
        Label("Faces", ("face",), True, "caltech", ("Faces_easy",)),
        Label("cup", ("cup",), True, "caltech"),
        Label("sea_horse", ("sea horse",), False, "caltech"),
    ]


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ('{"unseen": ["yak"]}', r"'unseen' names \['yak'\]"),
        ('{"left_out": ["cup"], "unseen": ["cup"]}', r"'unseen' names \['cup'\]"),
        ('{"same": {"cup": "mug"}}', r"'same' names \['mug'\]"),
        ('{"unseen": "cup"}', "'unseen' is 'cup', want a list"),
        ('{"terms": {"cup": []}}', "terms of 'cup' are"),
        ("[1]", "want a JSON object"),
        ("{", "want JSON"),
    ],
)
def test_a_bad_split_says_what_is_wrong(tmp_path, folder, split, message):
    path = write(tmp_path / "split.json", split)
    with pytest.raises(InputError, match=message):
        read_folder_split(path, str(folder), "caltech")


def test_a_missing_folder_and_one_without_labels_are_named(tmp_path, folder):
    split = write(tmp_path / "s.json", "{}")
    with pytest.raises(InputError, match=r"no folder .*none"):
        read_folder_split(split, str(tmp_path / "none"), "s")
    with pytest.raises(InputError, match="no label in it"):
        read_folder_split(split, str(folder / "cup"), "s")


def test_the_classes_of_cifar_are_labels_by_their_numbers(tmp_path):
    names = write(tmp_path / "fine_label_names.txt", "apple", "aquarium_fish", "pickup_truck")
    assert read_cifar_labels(names, "", "cifar") == [
        Label("apple", ("apple",), True, "cifar"),
        Label("aquarium_fish", ("aquarium fish",), True, "cifar"),
        Label("pickup_truck", ("pickup truck",), True, "cifar"),
    ]
    split = {"unseen": ["apple"], "terms": {"pickup_truck": ["pickup", "truck"]}}
    path = write(tmp_path / "split.json", json.dumps(split))
    found = {one.label: one for one in read_cifar_labels(names, path, "cifar")}
    assert [name for name, one in found.items() if not one.seen] == ["apple"]
    assert found["pickup_truck"].terms == ("pickup", "truck")
    bad = write(tmp_path / "bad.json", '{"unseen": ["pear"]}')
    with pytest.raises(InputError, match=r"\['pear'\], which are no labels: want names of classes"):
        read_cifar_labels(names, bad, "cifar")


@pytest.mark.data
def test_reads_the_real_splits(devise_data):
    labels, images = devise_data / "labels", devise_data / "images"
    caltech = read_folder_split(
        str(labels / "caltech101-split.json"), str(images / "caltech101_15"), "caltech101"
    )
    assert len(caltech) == 95
    assert sum(not one.seen for one in caltech) == 34
    cifar = read_cifar_labels(str(labels / "cifar100_class_names.txt"), "", "cifar100")
    # The file goes on with the words of the classes' ancestors.
    assert (cifar[1].terms, cifar[99].label) == (("aquarium fish",), "worm")
