import random
import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from devise_lib import tracking
from devise_lib.config.types import LabelTable
from devise_lib.config.words import TrainWord2vec
from devise_lib.errors import InputError
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import SENTENCES, WORD_VECTORS
from devise_lib.spark.words.export import export_vectors, publish_exports
from devise_lib.spark.words.quality_gate import WordScores, refuse_bad_vectors
from jobs import train_word2vec
from tests.rows import read_rows, write_rows

pytestmark = pytest.mark.spark

TOPICS = {
    "sea": ["fish", "wave", "boat", "sail", "whale", "salt"],
    "land": ["tree", "road", "horse", "field", "barn", "hill"],
}


def make_sentences():
    rng = random.Random(3)
    rows = []
    for page, words in enumerate(TOPICS.values()):
        for position in range(250):
            rows.append((str(page), position, rng.choices(words, k=8)))
    return [*rows, ("9", 0, ["rare", "fish"])]


ROWS = make_sentences()


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> TrainWord2vec:
    folder = tmp_path_factory.mktemp("work")
    similar = folder / "pairs.tsv"
    pairs = [(a, b, 9) for words in TOPICS.values() for a, b in pairwise(words)]
    pairs += [(a, b, 1) for a, b in zip(*TOPICS.values(), strict=True)]
    similar.write_text("".join(f"{a}\t{b}\t{score}\n" for a, b, score in pairs))
    labels = folder / "labels.tsv"
    labels.write_text(
        "label\tterms\tsplit\taliases\nfish\t\tseen\t\nbarn\t\tunseen\t\nmoon\t\tunseen\t\n"
    )
    config = TrainWord2vec(
        work_dir=str(folder),
        vector_size=8,
        window=4,
        min_count=5,
        sample=0.0,
        epochs=4,
        workers=1,
        similarities=[str(similar)],
        min_similarities=[0.3],
        label_sets=[LabelTable(kind="table", name="things", path=str(labels))],
        min_coverage=0.5,
        exports=("binary", "text"),
    )
    rows = [dict(zip(SENTENCES.names, row, strict=True)) for row in ROWS]
    write_rows(folder, "sentences", rows)
    return config


@pytest.fixture(scope="module")
def logged():
    return {}


@pytest.fixture(scope="module")
def trained(spark, config, logged):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracking, "log_metrics", logged.update)
        counts = train_word2vec.run(spark, config)
    return counts, read_rows(config.work_dir, "word_vectors")


def test_words_that_come_often_enough_get_a_vector_and_their_count(trained):
    counts, rows = trained
    seen = Counter(token for _, _, tokens in ROWS for token in tokens)
    assert {row["word"]: row["count"] for row in rows} == {
        word: n for word, n in seen.items() if n >= 5
    }
    assert counts == {"words": 12}
    assert {len(row["vector"]) for row in rows} == {8}


def test_words_of_one_topic_lie_together(trained):
    vector = {row["word"]: np.array(row["vector"]) for row in trained[1]}
    unit = {word: v / np.linalg.norm(v) for word, v in vector.items()}
    sea, land = TOPICS.values()
    within = np.mean([unit[a] @ unit[b] for a in sea for b in sea if a != b])
    across = np.mean([unit[a] @ unit[b] for a in sea for b in land])
    assert within > across + 0.2


@pytest.mark.parametrize(
    ("name", "binary"), [("word_vectors.bin", True), ("word_vectors.vec", False)]
)
def test_the_exports_are_read_by_gensim_and_hold_the_same(trained, config, name, binary):
    path = str(Path(config.work_dir) / "export" / name)
    exported = KeyedVectors.load_word2vec_format(path, fvocab=f"{path}.vocab", binary=binary)
    assert exported.index_to_key == [r["word"] for r in sorted(trained[1], key=lambda r: r["rank"])]
    for row in trained[1]:
        assert exported[row["word"]].tolist() == row["vector"]
        assert exported.get_vecattr(row["word"], "count") == row["count"]


@pytest.mark.usefixtures("trained")
def test_the_scores_are_in_metrics_and_in_the_run(config, logged):
    rows = read_rows(config.work_dir, "metrics")
    found = {(r["method"], r["photo_set"], r["metric"]): r["value"] for r in rows}
    assert found.keys() == {
        ("word2vec", "", "words"),
        ("word2vec", "pairs.tsv", "spearman"),
        ("word2vec", "pairs.tsv", "pairs"),
    }
    assert found["word2vec", "", "words"] == logged["words"] == 12
    assert logged["coverage_things"] == pytest.approx(2 / 3)
    assert found["word2vec", "pairs.tsv", "pairs"] == 16
    assert found["word2vec", "pairs.tsv", "spearman"] == logged["spearman_pairs"] > 0.3


@pytest.mark.usefixtures("trained")
def test_vectors_below_the_gate_do_not_replace_the_old_ones(spark, config, monkeypatch):
    monkeypatch.setattr(tracking, "log_metrics", lambda _: None)
    tables, export = Tables.of(spark, config), Path(config.work_dir) / "export"
    before = [tables.version(name) for name in ("word_vectors", "metrics")]
    files = {path: path.read_bytes() for path in export.glob("word_vectors.*")}
    assert len(files) == 4
    strict = config.model_copy(update={"min_similarities": (0.999,), "min_coverage": 0.7})
    message = r"Spearman of pairs\.tsv .* < 0\.999 of min_similarities; coverage of things 0\.667"
    with pytest.raises(InputError, match=message):
        train_word2vec.run(spark, strict)
    assert [tables.version(name) for name in ("word_vectors", "metrics")] == before
    assert {path: path.read_bytes() for path in files} == files
    assert set(export.iterdir()) == set(files), "the refused vectors are left"


def test_a_file_of_vectors_goes_through_the_same_gate_and_is_exported(
    spark, config, tmp_path, monkeypatch
):
    monkeypatch.setattr(tracking, "log_metrics", lambda _: None)
    lines = [
        f"{word} {place} {1 - place} 0.5"
        for place, topic in enumerate(TOPICS.values())
        for word in topic
    ]
    file = tmp_path / "glove.txt"
    file.write_text("\n".join([*lines, "Fish 9 9 9", "moon 1 1 1"]) + "\n", encoding="utf-8")
    changes = {"work_dir": str(tmp_path / "work"), "vectors": str(file), "max_vocab": 12}
    theirs = config.model_copy(update=changes)
    assert train_word2vec.run(spark, theirs) == {
        "words": 12,
        "duplicate words": 0,
        "unreadable words": 0,
    }
    rows = read_rows(theirs.work_dir, "word_vectors")
    assert {(r["word"], r["count"]) for r in rows} == {
        (w, None) for t in TOPICS.values() for w in t
    }
    assert {r["rank"] for r in rows} == set(range(1, 13))
    exported = Path(theirs.work_dir) / "export" / "word_vectors.vec"
    known = KeyedVectors.load_word2vec_format(str(exported), binary=False)
    assert known["fish"].tolist() == [0.0, 1.0, 0.5]
    everything = theirs.model_copy(update={"max_vocab": 0, "exports": (), "label_sets": ()})
    assert train_word2vec.run(spark, everything)["duplicate words"] == 1  # Fish, after fish


@pytest.fixture(scope="module")
def both_exports(spark, tmp_path_factory):
    """Vectors, and a folder with their exports in both formats."""
    rows = [("b", 2, 1, [0.25, 1.0]), ("a", 1, 2, [-1.0, 3.5])]
    vectors = spark.createDataFrame(rows, WORD_VECTORS)
    folder = tmp_path_factory.mktemp("exports")
    export_vectors(vectors, ("binary", "text"), f"{folder}/drafts")
    publish_exports(f"{folder}/drafts", f"{folder}/export")
    return vectors, folder


@pytest.mark.parametrize(
    ("exports", "left"), [(("text",), {"word_vectors.vec", "word_vectors.vec.vocab"}), ((), set())]
)
def test_only_the_formats_that_are_asked_for_are_left(both_exports, tmp_path, exports, left):
    vectors, both = both_exports
    shutil.copytree(both, tmp_path, dirs_exist_ok=True)
    drafts, folder = tmp_path / "drafts", tmp_path / "export"
    assert len(list(folder.iterdir())) == 4
    export_vectors(vectors, exports, str(drafts))
    publish_exports(str(drafts), str(folder))
    assert {path.name for path in folder.iterdir()} == left
    assert [path for path in drafts.rglob("*") if path.is_file()] == []


SCORES = {"words": 10, "questions": 5, "pairs": {"a": 3, "b": 3}, "coverage": {"set": 0.8}}


def gate(**floors):
    labels = {"kind": "table", "name": "set", "path": "labels.tsv"}
    files = {"analogies": "file", "similarities": ["a", "b"], "label_sets": [labels]}
    return TrainWord2vec(**{**files, **floors})


def test_the_gate_has_a_floor_for_each_test():
    scores = WordScores(analogies=0.5, spearman={"a": 0.4, "b": 0.1}, **SCORES)
    refuse_bad_vectors(scores, gate(min_analogies=0.5, min_similarities=[0.4, 0.1]))
    refuse_bad_vectors(scores, gate(min_coverage=0.8))
    for floors, message in [
        ({"min_analogies": 0.6}, r"\(analogies 0\.500 < min_analogies 0\.6\)"),
        ({"min_similarities": [0.4, 0.2]}, r"\(Spearman of b 0\.100 < 0\.2 of min_similarities\)"),
        ({"min_coverage": 0.9}, r"\(coverage of set 0\.800 < min_coverage 0\.9\)"),
    ]:
        with pytest.raises(InputError, match=message):
            refuse_bad_vectors(scores, gate(**floors))


def test_a_score_that_is_no_number_does_not_pass():
    scores = WordScores(analogies=None, spearman={"a": float("nan"), "b": 1.0}, **SCORES)
    with pytest.raises(InputError, match="Spearman of a nan"):
        refuse_bad_vectors(scores, gate(min_similarities=[-1.0, -1.0]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"min_similarities": [0.1]}, "min_similarities has 1 floors, and similarities 2 files"),
        ({"similarities": ["en/pairs.tsv", "de/pairs.txt"]}, "two files of similarities have one"),
        ({"analogies": "", "min_analogies": 0.1}, "min_analogies is set, but no file of analogies"),
        ({"label_sets": [], "min_coverage": 0.1}, "min_coverage is set, but no"),
        ({"hs": 0, "negative": 0}, "nothing to train"),
    ],
)
def test_a_gate_that_could_not_close_is_a_fault_of_the_configuration(given, message):
    with pytest.raises(ValueError, match=message):
        gate(**given)


def test_a_bad_test_file_is_told_before_anything_is_trained(spark, config, tmp_path):
    path = tmp_path / "questions.txt"
    path.write_text(": section\none two three\n")
    bad = config.model_copy(update={"analogies": str(path)})
    with pytest.raises(InputError, match=r"questions\.txt, line 2: want four words"):
        train_word2vec.run(spark, bad)
    assert not (Path(config.work_dir) / "export" / "staging").exists()
