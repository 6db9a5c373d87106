import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from devise_lib import tracking
from devise_lib.config_words import TrainWord2vec
from devise_lib.errors import InputError
from devise_lib.spark.schemas import SENTENCES
from devise_lib.spark.tables import Tables
from devise_lib.spark.words import WordScores, refuse_bad_vectors
from jobs import train_word2vec

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
def config(spark, tmp_path_factory) -> TrainWord2vec:
    folder = tmp_path_factory.mktemp("work")
    similar = folder / "pairs.tsv"
    pairs = [(a, b, 9) for words in TOPICS.values() for a, b in pairwise(words)]
    pairs += [(a, b, 1) for a, b in zip(*TOPICS.values(), strict=True)]
    similar.write_text("".join(f"{a}\t{b}\t{score}\n" for a, b, score in pairs))
    config = TrainWord2vec(
        work_dir=str(folder),
        vector_size=8,
        window=4,
        min_count=5,
        sample=0.0,
        epochs=4,
        workers=1,
        similarities=[str(similar)],
        min_similarity=0.3,
    )
    Tables.of(spark, config).overwrite("sentences", spark.createDataFrame(ROWS, SENTENCES))
    return config


@pytest.fixture(scope="module")
def logged():
    return {}


@pytest.fixture(scope="module")
def trained(spark, config, logged):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracking, "log_metrics", logged.update)
        counts = train_word2vec.run(spark, config)
    return counts, Tables.of(spark, config).read("word_vectors").collect()


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


def test_the_export_is_read_by_gensim_and_holds_the_same(trained, config):
    path = str(Path(config.work_dir) / "export" / "word_vectors.bin")
    exported = KeyedVectors.load_word2vec_format(path, fvocab=f"{path}.vocab", binary=True)
    assert set(exported.index_to_key) == {row["word"] for row in trained[1]}
    for row in trained[1]:
        assert exported[row["word"]].tolist() == row["vector"]
        assert exported.get_vecattr(row["word"], "count") == row["count"]


@pytest.mark.usefixtures("trained")
def test_the_scores_are_in_metrics_and_in_the_run(spark, config, logged):
    rows = Tables.of(spark, config).read("metrics").collect()
    found = {(r["method"], r["photo_set"], r["metric"]): r["value"] for r in rows}
    assert found.keys() == {
        ("word2vec", "", "words"),
        ("word2vec", "pairs.tsv", "spearman"),
        ("word2vec", "pairs.tsv", "pairs"),
    }
    assert found["word2vec", "", "words"] == 12
    assert found["word2vec", "pairs.tsv", "pairs"] == 16
    assert found["word2vec", "pairs.tsv", "spearman"] == logged["spearman_pairs"] > 0.3


@pytest.mark.usefixtures("trained")
def test_vectors_below_the_gate_do_not_replace_the_old_ones(spark, config, monkeypatch):
    monkeypatch.setattr(tracking, "log_metrics", lambda _: None)
    tables, export = Tables.of(spark, config), Path(config.work_dir) / "export"
    before = [tables.version(name) for name in ("word_vectors", "metrics")]
    files = {path: path.read_bytes() for path in export.glob("word_vectors.bin*")}
    assert len(files) == 2
    strict = config.model_copy(update={"min_similarity": 0.999, "seed": 1})
    with pytest.raises(InputError, match=r"Spearman of pairs\.tsv .* < min_similarity 0\.999"):
        train_word2vec.run(spark, strict)
    assert [tables.version(name) for name in ("word_vectors", "metrics")] == before
    assert {path: path.read_bytes() for path in files} == files


SCORES = {"words": 10, "questions": 5, "pairs": {"a": 3, "b": 3}}


def test_the_gate_looks_at_analogies_and_at_the_first_file_of_pairs():
    scores = WordScores(analogies=0.5, spearman={"a": 0.4, "b": 0.1}, **SCORES)
    refuse_bad_vectors(scores, 0.5, 0.4)
    with pytest.raises(InputError, match=r"\(analogies 0\.500 < min_analogies 0\.6; Spearman of a"):
        refuse_bad_vectors(scores, 0.6, 0.45)


def test_a_score_that_is_no_number_does_not_pass():
    scores = WordScores(analogies=None, spearman={"a": float("nan")}, **SCORES)
    with pytest.raises(InputError, match="Spearman of a nan"):
        refuse_bad_vectors(scores, 0.0, 0.1)
