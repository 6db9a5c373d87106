"""predict_labels on tables of vectors, against every cosine there is."""

import shutil

import numpy as np
import pytest

from devise_lib import tracking
from devise_lib.config.search import PredictLabels
from devise_lib.errors import InputError
from devise_lib.spark.tables.schemas import EMBEDDINGS, LABELS
from jobs import predict_labels
from tests.embedded import MODEL, as_rows, clustered, names, registry_entry
from tests.rows import read_rows, write_rows

pytestmark = pytest.mark.spark

N, M, D = 40, 9, 16
PHOTOS = clustered(N, D)
VECTORS = clustered(M, D, seed=3)
VECTORS[5] = VECTORS[2]  # two labels with one vector tie


def label_row(label, seen, vector):
    name = label.replace("label", "name ")
    values = vector.tolist()
    row = label, "s", [name], name, "exact", seen, [], values, values[::-1], "words"
    return dict(zip(LABELS.names, row, strict=True))


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A folder of LABELS and EMBEDDINGS: of two models, and of one with vectors of 7 numbers."""
    folder = tmp_path_factory.mktemp("work")
    labels = [label_row(f"label{i}", i % 2 == 0, v) for i, v in enumerate(VECTORS)]
    lost = {"terms": ["xyzzy"], "coverage": "missing", "seen": True, "aliases": []}
    labels.append({"label": "no_vector", "label_set": "s", "words_id": "words", **lost})
    write_rows(folder, "labels", labels)
    rows = as_rows(PHOTOS) + as_rows(PHOTOS[:4], "devise-v0") + as_rows(PHOTOS[:3, :7], "devise-v7")
    embeddings = [dict(zip(EMBEDDINGS.names, row, strict=True)) for row in rows]
    for part in range(3):  # of files
        write_rows(folder, "embeddings", embeddings[part::3])
    return folder


@pytest.fixture
def config(tables, tmp_path, monkeypatch):
    use(monkeypatch, MODEL)
    monkeypatch.setattr(tracking, "log_params", lambda _: None)
    return PredictLabels(work_dir=str(shutil.copytree(tables, tmp_path / "work")), k=3)


def use(patch, model_id, words_id="words"):
    """Have the registry name this model, of these words."""
    found = registry_entry(model_id, words_id)
    patch.setattr(tracking, "find_registered", lambda *_: found)


def read(config):
    rows = read_rows(config.work_dir, "predictions")
    return sorted(rows, key=lambda row: (row["model_id"], row["photo_id"], row["rank"]))


def test_every_photo_gets_its_nearest_labels_and_other_models_keep_theirs(spark, config):
    predict_labels.run(spark, config)
    with pytest.MonkeyPatch.context() as patch:
        use(patch, "devise-v0")
        assert predict_labels.run(spark, config)["predictions"] == 4 * 3

    counts = predict_labels.run(spark, config)  # a second time: replaced, not doubled

    left_out = {"labels without a vector": 1}
    assert counts == {"predictions": N * 3, "candidate labels": M, **left_out}
    rows = read(config)
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
    config = config.model_copy(update={"candidates": candidates, "k": 100})
    predict_labels.run(spark, config)
    rows = read(config)
    assert {row["seen"] for row in rows} == {seen}
    assert len(rows) == N * (5 if seen else 4)  # fewer labels than k


def test_says_what_is_missing_and_leaves_the_predictions_as_they_were(spark, config, monkeypatch):
    predict_labels.run(spark, config)
    before = read(config)

    use(monkeypatch, "devise-v7")
    with pytest.raises(InputError, match="embeddings have 7 dimensions, but the label vectors 16"):
        predict_labels.run(spark, config)
    use(monkeypatch, "another-model")
    with pytest.raises(InputError, match="EMBEDDINGS has no photo of this model: run embed_photos"):
        predict_labels.run(spark, config)
    use(monkeypatch, MODEL, "older words")
    with pytest.raises(InputError, match=rf"\(words\) than the model {MODEL} \(older words\): run"):
        predict_labels.run(spark, config)
    use(monkeypatch, MODEL)
    write_rows(config.work_dir, "labels", [label_row("a", True, VECTORS[0])], "overwrite")
    with pytest.raises(InputError, match="there is no unseen label with a vector"):
        predict_labels.run(spark, config.model_copy(update={"candidates": "unseen"}))

    assert before
    assert read(config) == before
