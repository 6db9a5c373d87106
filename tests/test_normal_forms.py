"""Names that look the same are the same, wherever they come from.

The kind of fault: labels and words are compared byte by byte, but \u00e9 may be one character or
two, and macOS and some tools write two. Everything that reads a name gives it in NFC.
"""

import json

import numpy as np
import pytest
from gensim.models import KeyedVectors

from devise_lib.config.photos import PhotoSource
from devise_lib.config.types import Candidates, LabelTable
from devise_lib.spark.ingest.sources import Place, as_label, make_describer
from devise_lib.text.labels.awa2 import check_folders
from devise_lib.text.labels.class_names import parse_class_names, read_class_names
from devise_lib.text.labels.class_splits import read_cifar_labels, read_folder_split
from devise_lib.text.labels.hierarchy import read_edges
from devise_lib.text.labels.label_files import Label, read_imagenet, read_label_table
from devise_lib.text.labels.label_vectors import choose_vector
from devise_lib.text.labels.photo_labels import read_photo_labels
from devise_lib.text.lines import numbered_lines
from devise_lib.text.tokens import tag_token, words
from devise_lib.text.vectors.files import read_vectors
from devise_lib.text.vectors.word_tests import similarity, words_of_pairs
from devise_lib.vision.networks.backbones import read_classes

ONE, TWO = "caf\u00e9", "cafe\u0301"  # \u00e9 as one character and as two


@pytest.fixture
def write(tmp_path):
    def write(text, name="file"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_files_that_a_person_wrote(write):
    assert list(numbered_lines(write(TWO), "x")) == [(1, ONE)]
    assert read_class_names(write(f"1 {TWO}\n")) == [ONE]
    assert parse_class_names([(1, TWO)], "x") == [ONE]
    assert list(read_edges(write(f"{TWO} {TWO}s"))) == [(ONE, f"{ONE}s")]
    assert words_of_pairs(write(f"{TWO}\ttea\t1\n")) == {ONE, "tea"}


def test_tables_and_lists_of_labels(write):
    table = write(f"label\tterms\tsplit\taliases\n{TWO}\t{TWO} noir\tseen\t{TWO}s\n")
    assert read_label_table(table, "s") == [Label(ONE, (f"{ONE} noir",), True, "s", (f"{ONE}s",))]
    [label] = read_imagenet(write(f"n1\t{TWO}", "words"), write("n1", "ids"), "s")
    assert label.terms == (ONE,)


@pytest.mark.parametrize("ascii_only", [False, True])  # the latter escapes: no line shows the text
def test_splits_of_folders_and_classes(write, tmp_path, ascii_only):
    (tmp_path / "photos" / TWO).mkdir(parents=True)
    split = {"terms": {TWO: [TWO]}, "unseen": [TWO]}
    path = write(json.dumps(split, ensure_ascii=ascii_only), "split")
    wanted = [Label(ONE, (ONE,), False, "s")]
    assert read_folder_split(path, str(tmp_path / "photos"), "s") == wanted
    assert read_cifar_labels(write(TWO, "names"), path, "s") == wanted


def test_folders_of_a_release(write, tmp_path):
    write(f"1 {ONE}", "classes.txt")
    (tmp_path / "JPEGImages" / TWO).mkdir(parents=True)
    checked = check_folders(str(tmp_path))
    assert not checked.classes_without_folder
    assert not checked.folders_of_no_class


def test_labels_of_photos(write):
    found = read_photo_labels(write(f"{ONE}.jpg {TWO}"))
    assert found.find(f"/photos/{TWO}.jpg") == ONE
    describe = make_describer(
        Place(PhotoSource(path="/photos", name="p", label_pattern="([^/]+)/[^/]+$"))
    )
    assert describe(f"/photos/{TWO}/1.jpg")[1] == ONE
    assert (as_label(TWO), as_label(None)) == (ONE, None)


def test_classes_of_a_softmax(tmp_path, write):
    write(json.dumps({"0": [TWO, "x"]}), "index.json")
    assert read_classes(str(tmp_path / "index.json")) == [ONE]


def test_words_of_vector_files_find_their_labels(write):
    vectors = read_vectors(write(f"2 2\n{TWO} 1 0\n{ONE} 0 1\n"))
    rows = {word: vector.tolist() for word, vector in vectors.rows()}
    assert rows == {ONE: [1, 0]}
    assert vectors.doubled == 1
    assert choose_vector(Label(ONE, (TWO,), True, "s"), {ONE: np.ones(2)}).coverage == "exact"


def test_pairs_of_word_tests(write):
    vectors = KeyedVectors(2)
    vectors.add_vectors([ONE, "tea"], np.eye(2, dtype=np.float32))
    assert similarity(vectors, write(f"{TWO}\tTea\t1\n")).used == 1


def test_words_tags_and_queries():
    assert words(TWO.upper()) == [ONE]
    assert tag_token(f"{TWO} noir") == f"{ONE}_noir"


def test_names_of_label_sets_in_a_configuration():
    assert LabelTable(kind="table", name=TWO, path="x").name == ONE
    candidates = Candidates(name=TWO, label_sets=[TWO], valid_sets=TWO)
    assert (candidates.name, candidates.label_sets, candidates.valid_sets) == (ONE, (ONE,), (ONE,))
