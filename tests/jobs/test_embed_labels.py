import shutil
from pathlib import Path

import numpy as np
import pytest

from devise_lib.config.types import Awa2Labels, LabelTable
from devise_lib.config.words import EmbedLabels
from devise_lib.errors import InputError
from devise_lib.numerics.vectors import random_unit_vector
from devise_lib.spark.labels.label_sets import read_label_sets
from devise_lib.spark.labels.word_space import has_words, id_of_labels, id_of_words
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.text.labels.awa2 import read_attributes
from devise_lib.text.labels.label_vectors import choose_vector
from jobs import embed_labels
from tests.rows import read_rows, write_rows

pytestmark = pytest.mark.spark

RNG = np.random.default_rng(0)
WORDS = ["cat", "polar_bear", "kitty", "sea", "otter", "boat", "house", "owl"]
VECTORS = {word: RNG.standard_normal(6).astype(np.float32) for word in WORDS}
LINES = {
    "zoo": [
        "cat\tcat\tseen\ttabby",
        "bear\tpolar bear,cat\tunseen\t",
        "kitten\tpussycat,kitty\tseen\t",
        "otter\tsea otter\tseen\tlutra,enhydra",
        "yeti\tyeti,bigfoot\tunseen\t",
    ],
    "farm": ["owl\towl\tseen\t", "unicorn\tunicorn\tseen\t"],
}


def label_set(folder: Path, name: str, lines: list[str]) -> LabelTable:
    path = folder / f"{name}.tsv"
    path.write_text("\n".join(["label\tterms\tsplit\taliases", *lines]) + "\n")
    return LabelTable(kind="table", name=name, path=str(path))


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> EmbedLabels:
    folder = tmp_path_factory.mktemp("work")
    sets = tuple(label_set(folder, name, lines) for name, lines in LINES.items())
    config = EmbedLabels(work_dir=str(folder), label_sets=sets, min_coverage=0.5)
    rows = [
        {"word": word, "count": 5, "rank": rank, "vector": vector.tolist()}
        for rank, (word, vector) in enumerate(VECTORS.items(), start=1)
    ]
    write_rows(folder, "word_vectors", rows)
    return config


def copy_word_vectors(config: EmbedLabels, folder: Path) -> None:
    """The word vectors of the module in another work folder."""
    table = Path("tables", "word_vectors")
    shutil.copytree(Path(config.work_dir) / table, folder / table)


@pytest.fixture(scope="module")
def embedded(spark, config):
    assert embed_labels.run(spark, config) == {"labels": 7, "without a vector": 2}
    rows = read_rows(config.work_dir, "labels")
    return {(row["label_set"], row["label"]): row for row in rows}


def test_each_label_has_the_vector_that_a_look_at_all_words_chooses(embedded, config):
    labels = read_label_sets(config.label_sets)
    assert embedded.keys() == {(label.label_set, label.label) for label in labels}
    for label in labels:
        row, wanted = embedded[label.label_set, label.label], choose_vector(label, VECTORS)
        assert (row["coverage"], row["term"]) == (wanted.coverage, wanted.term)
        assert (row["terms"], row["seen"]) == (list(label.terms), label.seen)
        assert row["aliases"] == list(label.aliases)
        if wanted.vector is None:
            assert row["vector"] is row["random_vector"] is None
        else:
            control = random_unit_vector(label.label, 6, config.seed)
            assert row["random_vector"] == control.tolist()
            np.testing.assert_allclose(row["vector"], wanted.vector, rtol=1e-6)
            assert np.linalg.norm(row["vector"]) == pytest.approx(1, rel=1e-5)
    found = {row["coverage"] for row in embedded.values()}
    assert found == {"exact", "synonym", "averaged", "missing"}


def test_labels_know_the_word_vectors_that_they_are_from(spark, embedded, config):
    vectors = Tables.of(spark, config).read("word_vectors")
    assert {row["words_id"] for row in embedded.values()} == {id_of_words(vectors)}


def test_the_control_of_a_label_stays_when_others_come_and_changes_with_the_seed(
    spark, config, embedded, tmp_path
):
    work = {"work_dir": str(tmp_path), "min_coverage": 0.0}
    copy_word_vectors(config, tmp_path)
    fewer = (label_set(tmp_path, "zoo", LINES["zoo"][3:0:-1]),)
    for seed in (config.seed, config.seed + 1):
        small = config.model_copy(update={**work, "label_sets": fewer, "seed": seed})
        embed_labels.run(spark, small)
        rows = read_rows(tmp_path, "labels")
        assert len(rows) == 3
        for row in rows:
            same = row["random_vector"] == embedded["zoo", row["label"]]["random_vector"]
            assert same == (seed == config.seed)


@pytest.mark.usefixtures("embedded")
def test_the_coverage_of_each_set_is_in_metrics(config):
    rows = read_rows(config.work_dir, "metrics")
    assert {(r["method"], r["metric"]) for r in rows} == {("labels", "coverage")}
    found = {(r["photo_set"], r["candidate_set"]): r["value"] for r in rows}
    assert found == {
        ("zoo", "exact"): 0.4,
        ("zoo", "synonym"): 0.2,
        ("zoo", "averaged"): 0.2,
        ("zoo", "missing"): 0.2,
        ("farm", "exact"): 0.5,
        ("farm", "synonym"): 0.0,
        ("farm", "averaged"): 0.0,
        ("farm", "missing"): 0.5,
    }


@pytest.mark.usefixtures("embedded")
def test_a_set_with_too_few_vectors_or_with_others_is_told_and_labels_stay(spark, config, tmp_path):
    tables = Tables.of(spark, config)
    before = [tables.version(name) for name in ("labels", "metrics")]
    none = label_set(tmp_path, "none", ["yeti\tyeti\tseen\t", "ufo\tufo\tunseen\t"])
    for sets, share in (((*config.label_sets, none), "none: 100%"), ((none,), "none: 100%")):
        with pytest.raises(InputError, match=f"label set {share} of its labels have no word vec"):
            embed_labels.run(spark, config.model_copy(update={"label_sets": sets}))
    other = label_set(tmp_path, "other", ["cat\tkitty\tseen\t", "owl\towl\tunseen\t"])
    message = r"another vector in another label set: cat \(other: 'kitty', zoo: 'cat'\); a photo's"
    with pytest.raises(InputError, match=message):  # owl has the same one
        embed_labels.run(
            spark, config.model_copy(update={"label_sets": (*config.label_sets, other)})
        )
    strict = config.model_copy(update={"min_coverage": 0.75})
    message = (
        r"label set farm: 50% of its labels have no word vector \(unicorn 'unicorn'\), but min"
    )
    with pytest.raises(InputError, match=message):
        embed_labels.run(spark, strict)
    assert [tables.version(name) for name in ("labels", "metrics")] == before


@pytest.fixture
def release(tmp_path) -> Path:
    """A folder of AWA2 with four classes of five attributes, and photos of some."""
    folder = tmp_path / "Animals_with_Attributes2"
    for name in ("cat", "polar+bear", "owl", "unicorn"):
        (folder / "JPEGImages" / name).mkdir(parents=True)
    (folder / "classes.txt").write_text("1\tcat\n2\tpolar+bear\n3\tyeti\n4\towl\n")
    (folder / "testclasses.txt").write_text("owl\n")
    np.savetxt(folder / "predicate-matrix-continuous.txt", RNG.uniform(-1, 100, (4, 5)), "%8.2f")
    return folder


@pytest.mark.usefixtures("embedded")
def test_classes_of_awa2_have_vectors_of_words_and_what_has_no_folder_is_counted(
    spark, config, release
):
    sets = (Awa2Labels(kind="awa2", name="animals", folder=str(release)),)
    work = config.model_copy(update={"work_dir": str(release.parent), "label_sets": sets})
    copy_word_vectors(config, release.parent)
    assert embed_labels.run(spark, work) == {
        "labels": 4,
        "without a vector": 1,
        "classes without a folder": 1,
        "folders of no class": 1,
    }
    rows = {row["label"]: row for row in read_rows(work.work_dir, "labels")}
    assert (rows["polar+bear"]["term"], rows["polar+bear"]["coverage"]) == ("polar bear", "exact")
    assert [name for name, row in rows.items() if not row["seen"]] == ["owl"]


def test_attributes_take_the_place_of_word_vectors(spark, release):
    sets = (Awa2Labels(kind="awa2", name="animals", folder=str(release)),)
    work = EmbedLabels(work_dir=str(release.parent), label_sets=sets, vectors="attributes", seed=3)
    assert embed_labels.run(spark, work)["without a vector"] == 0  # and no WORD_VECTORS there
    rows = {row["label"]: row for row in read_rows(work.work_dir, "labels")}
    for name, vector in read_attributes(str(release)).items():
        row = rows[name]
        np.testing.assert_allclose(row["vector"], vector, rtol=1e-6)
        assert row["random_vector"] == random_unit_vector(name, 5, 3).tolist()
        assert (row["coverage"], row["term"]) == ("attributes", name.replace("+", " "))
    [words_id] = {row["words_id"] for row in rows.values()}
    assert not has_words(words_id)
    shares = {r["candidate_set"]: r["value"] for r in read_rows(work.work_dir, "metrics")}
    assert shares == {"exact": 0, "synonym": 0, "averaged": 0, "missing": 0, "attributes": 1}
    matrix = release / "predicate-matrix-continuous.txt"
    matrix.write_text(matrix.read_text().replace("\n", " 1.0\n"))
    embed_labels.run(spark, work)  # one attribute more: another space
    assert id_of_labels(Tables.of(spark, work).read("labels")) != words_id


def test_no_label_set_is_told(spark, config):
    with pytest.raises(InputError, match=r"no label set: give \[\[label_sets\]\]"):
        embed_labels.run(spark, config.model_copy(update={"label_sets": ()}))
