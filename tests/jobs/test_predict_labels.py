"""predict_labels on tables of vectors, against every cosine there is."""

from types import SimpleNamespace

import numpy as np
import pytest

from devise_lib import tracking
from devise_lib.config import PredictLabels
from devise_lib.errors import InputError
from devise_lib.spark.schemas import LABELS
from devise_lib.spark.tables import Tables
from jobs import predict_labels
from tests.embedded import MODEL, as_rows, clustered, names, write_embeddings

pytestmark = pytest.mark.spark

N, M, D = 40, 9, 16
PHOTOS = clustered(N, D)
VECTORS = clustered(M, D, seed=3)
VECTORS[5] = VECTORS[2]  # two labels with one vector tie


def label_row(label, seen, vector, words_id="words"):
    name = label.replace("label", "name ")
    values = vector.tolist()
    return label, "s", [name], name, "exact", seen, [], values, values[::-1], words_id


@pytest.fixture
def config(spark, tmp_path, monkeypatch):
    found = SimpleNamespace(model_id=MODEL)
    monkeypatch.setattr(tracking, "find_registered", lambda *_: found)
    extras = SimpleNamespace(words_id="words")
    monkeypatch.setattr(tracking, "fetch_extras", lambda *_: extras)
    monkeypatch.setattr(tracking, "log_params", lambda _: None)
    config = PredictLabels(work_dir=str(tmp_path), k=3)
    rows = [label_row(f"label{i}", i % 2 == 0, v) for i, v in enumerate(VECTORS)]
    rows.append(("no_vector", "s", ["xyzzy"], None, "missing", True, [], None, None, "words"))
    Tables.of(spark, config).overwrite("labels", spark.createDataFrame(rows, LABELS))
    return config


def read(spark, config):
    return Tables.of(spark, config).read("predictions").orderBy("photo_id", "rank").collect()


def test_every_photo_gets_its_nearest_labels_and_other_models_keep_theirs(spark, config):
    write_embeddings(spark, config, as_rows(PHOTOS) + as_rows(PHOTOS[:4], "devise-v0"), 3)
    predict_labels.run(spark, config)
    other = SimpleNamespace(model_id="devise-v0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracking, "find_registered", lambda *_: other)
        assert predict_labels.run(spark, config)["predictions"] == 4 * 3

    counts = predict_labels.run(spark, config)  # a second time: replaced, not doubled

    assert counts == {"predictions": N * 3, "candidate labels": M}
    rows = read(spark, config)
    assert sum(row["model_id"] == "devise-v0" for row in rows) == 4 * 3
    mine = [row for row in rows if row["model_id"] == MODEL]
    cosines = PHOTOS.astype(np.float64) @ VECTORS.astype(np.float64).T
    for photo_id, scores in zip(names(N), cosines, strict=True):
        best = sorted(range(M), key=lambda i: (-np.float32(scores[i]), i))[:3]
        found = [row for row in mine if row["photo_id"] == photo_id]
        assert [row["rank"] for row in found] == [1, 2, 3]
        assert [row["label"] for row in found] == [f"label{i}" for i in best]
        assert [row["term"] for row in found] == [f"name {i}" for i in best]
        assert [row["seen"] for row in found] == [i % 2 == 0 for i in best]
        np.testing.assert_allclose([row["score"] for row in found], scores[best], atol=1e-6)


@pytest.mark.parametrize(("candidates", "seen"), [("seen", True), ("unseen", False)])
def test_candidates_may_be_the_seen_or_the_unseen_labels_alone(spark, config, candidates, seen):
    write_embeddings(spark, config, as_rows(PHOTOS[:5]))
    config = config.model_copy(update={"candidates": candidates, "k": 100})
    predict_labels.run(spark, config)
    rows = read(spark, config)
    assert {row["seen"] for row in rows} == {seen}
    assert len(rows) == 5 * (5 if seen else 4)  # fewer labels than k


def test_says_what_is_missing_and_leaves_the_predictions_as_they_were(spark, config):
    write_embeddings(spark, config, as_rows(PHOTOS[:3]))
    predict_labels.run(spark, config)
    before = read(spark, config)

    write_embeddings(spark, config, as_rows(PHOTOS[:3, :7]))
    with pytest.raises(InputError, match="embeddings have 7 dimensions and the label vectors 16"):
        predict_labels.run(spark, config)
    write_embeddings(spark, config, as_rows(PHOTOS[:3], "another-model"))
    with pytest.raises(InputError, match="EMBEDDINGS has no photo of this model: run embed_photos"):
        predict_labels.run(spark, config)
    other_words = spark.createDataFrame([label_row("a", True, VECTORS[0], "newer words")], LABELS)
    Tables.of(spark, config).overwrite("labels", other_words)
    with pytest.raises(InputError, match=rf"\(newer words\) than the model {MODEL} \(words\): run"):
        predict_labels.run(spark, config)
    only_seen = spark.createDataFrame([label_row("a", True, VECTORS[0])], LABELS)
    Tables.of(spark, config).overwrite("labels", only_seen)
    with pytest.raises(InputError, match="LABELS has no unseen label with a vector"):
        predict_labels.run(spark, config.model_copy(update={"candidates": "unseen"}))

    assert read(spark, config) == before
