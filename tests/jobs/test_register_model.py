"""Models that were made elsewhere, from their files to neighbours, tags and searches.

Spark runs the jobs that embed with them, index, sign and tag.
"""

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import mlflow
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from devise_lib import tracking
from devise_lib.config.photos import EmbedPhotos
from devise_lib.config.reporting import Evaluate, ExportModel, ExportProjector, Report
from devise_lib.config.search import (
    BuildIndex,
    BuildSignatures,
    FindDuplicates,
    FindNeighbours,
    PredictLabels,
)
from devise_lib.config.training import FineTune, RegisterModel
from devise_lib.errors import InputError
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.spark.job.entry import execute
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.train.promotion import compare
from jobs import (
    build_index,
    build_signatures,
    embed_photos,
    evaluate,
    export_model,
    export_projector,
    find_duplicates,
    find_neighbours,
    fine_tune,
    predict_labels,
    register_model,
    report,
)
from tests import two_towers
from tests.embedding import add_photos
from tests.rows import read_rows
from tests.two_towers import NAMES, SIDE, D

pytestmark = pytest.mark.spark

EACH = 5  # photos of each colour
SPARE = 3  # of them have a copy


def png(pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((SIDE, SIDE)).save(buffer, "PNG")
    return buffer.getvalue()


def contents() -> dict[str, bytes]:
    """By id: photos of each colour; the first ones have a copy."""
    found = {
        f"{name}{number}": png(pixels)
        for name in NAMES
        for number, pixels in enumerate(two_towers.photos_of(name, EACH, seed=7))
    }
    first = list(found)[:SPARE]
    return found | {f"{name} again": found[name] for name in first}


@pytest.fixture(scope="module")
def towers():
    return two_towers.train()


@pytest.fixture(scope="module")
def files(towers, tmp_path_factory):
    """What a user has: the image tower in both forms, and the table of its texts."""
    folder = tmp_path_factory.mktemp("files")
    towers.images.save(folder / "tower.keras")
    towers.images.export(folder / "tower", verbose=False)
    table = pa.table({"text": NAMES, "vector": (3 * towers.texts).tolist()})
    pq.write_table(table, folder / "texts.parquet")
    return folder


@pytest.fixture(scope="module")
def work(spark, files, tmp_path_factory):
    """A work folder with photos in which both forms are registered; the records of the jobs."""
    folder = tmp_path_factory.mktemp("work")
    make = SimpleNamespace(folder=folder, records={})
    make.config = lambda kind, **values: kind(work_dir=str(folder), **values)
    first = make.config(
        RegisterModel,
        source=str(files / "tower.keras"),
        model_name="towers",
        scaling="0..1",
        texts=str(files / "texts.parquet"),
    )
    make.registering = first
    tracking.connect(first)
    add_photos(spark, make.config(EmbedPhotos), contents())
    saved = first.model_copy(
        update={"source": str(files / "tower"), "model_name": "alone", "texts": ""}
    )
    for config in (first, saved):
        make.records[config.model_name] = execute(spark, register_model.run, config)
    return make


def use(work, spark, name, run, kind, **values):
    config = work.config(kind, model_name=name, **values)
    return execute(spark, run, config)


@pytest.fixture(scope="module", params=["towers", "alone"])
def embedded(request, work, spark):
    """The name of a model whose jobs have run, from the embeddings to duplicates."""
    name = request.param
    for run, kind, values in (
        (embed_photos.run, EmbedPhotos, {}),
        (build_index.run, BuildIndex, {"queries": 5, "recall_target": 0.5}),
        (build_signatures.run, BuildSignatures, {"tables": 4}),
        (find_neighbours.run, FindNeighbours, {"k": 3}),
        (find_duplicates.run, FindDuplicates, {"min_cosine": 0.99999}),
    ):
        use(work, spark, name, run, kind, **values)
    return name


def vectors_by_hand(towers):
    """(photo ids, unit vectors) of all photos, by the image tower itself."""
    pixels = {
        name: np.asarray(Image.open(io.BytesIO(content))) for name, content in contents().items()
    }
    found = np.asarray(towers.images(np.stack(list(pixels.values())) / 255.0))
    return list(pixels), l2_normalize(found)


def of_model(work, name, table):
    model_id = tracking.find_registered(name, "champion").model_id
    return [row for row in read_rows(work.folder, table) if row["model_id"] == model_id]


def test_the_towers_have_learnt_the_colours(towers):
    assert two_towers.accuracy(towers) > 0.95


def test_the_registry_says_what_a_model_was_made_from(work):
    version = mlflow.MlflowClient().get_model_version_by_alias("towers", "champion")
    tags = version.tags
    assert tags["registered_by"] == "register_model"
    assert tags["words_id"].startswith(f"texts-{len(NAMES)}-")
    assert (tags["image_size"], tags["dimension"], tags["scaling"]) == (str(SIDE), str(D), "0..1")
    assert len(tags["source_sha256"]) == 64
    info = mlflow.models.get_model_info(f"models:/towers/{version.version}")
    assert info.signature.inputs.inputs[0].shape == (-1, SIDE, SIDE, 3)
    assert info.signature.outputs.inputs[0].shape == (-1, D)
    assert work.records["towers"].rows == {"numbers per vector": D, "texts": len(NAMES)}
    assert work.records["alone"].rows == {"numbers per vector": D}


@pytest.mark.usefixtures("work")
def test_mlflow_itself_serves_both_forms(towers):
    """A program outside loads them as any other model of MLflow."""
    photos = two_towers.photos_of("red", 2).astype(np.float32)
    wanted = np.asarray(towers.images(photos / 255))
    wanted = l2_normalize(wanted)
    for name in ("towers", "alone"):
        found = mlflow.pyfunc.load_model(f"models:/{name}@champion").predict(photos)
        np.testing.assert_allclose(np.asarray(found), wanted, atol=1e-5)


def test_the_jobs_embed_and_find_as_the_tower_does(work, embedded, towers):
    ids, vectors = vectors_by_hand(towers)
    embeddings = {
        row["photo_id"]: row["embedding"] for row in of_model(work, embedded, "embeddings")
    }
    assert embeddings.keys() == set(ids)
    found = np.array([embeddings[name] for name in ids])
    np.testing.assert_allclose(found, vectors, atol=1e-5)
    neighbours = of_model(work, embedded, "neighbours")
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    by_force = {name: sorted(row)[-3:] for name, row in zip(ids, cosines.tolist(), strict=True)}
    for name in ids:
        scores = sorted(row["score"] for row in neighbours if row["photo_id"] == name)
        np.testing.assert_allclose(scores, by_force[name], atol=1e-4)
    groups = of_model(work, embedded, "duplicate_groups")
    pairs = {name for name in ids if name.endswith("again")}
    assert pairs | {name.removesuffix(" again") for name in pairs} <= {
        row["photo_id"] for row in groups
    }


def bundle_of(work, name):
    """The newest bundle of a model."""
    model_id = tracking.find_registered(name, "champion").model_id
    manifests = (work.folder / "index").glob("*/manifest.json")
    return next(
        path.parent for path in manifests if json.loads(path.read_text())["model_id"] == model_id
    )


def test_the_searches_work_on_the_bundle(work, embedded, tmp_path):
    bundle = str(bundle_of(work, embedded))
    (tmp_path / "new.png").write_bytes(png(two_towers.photos_of("green", 1, seed=50)[0]))

    def ask(*words):
        return subprocess.run(
            [sys.executable, "-m", "devise_lib.search", *words, "--bundle", bundle],
            capture_output=True,
            text=True,
            check=False,
        )

    similar = ask("similar", str(tmp_path / "new.png"), "--format", "json", "-k", "3")
    assert (similar.returncode, similar.stderr) == (0, "")
    found = [hit["photo_id"] for hit in json.loads(similar.stdout)["hits"]]
    assert len(found) == 3
    assert all(photo.startswith("green") for photo in found)
    text = ask("text", "yellow", "--format", "json", "-k", "4")
    if embedded == "towers":
        found = [hit["photo_id"] for hit in json.loads(text.stdout)["hits"]]
        assert len(found) == 4
        assert all(photo.startswith("yellow") for photo in found)
    else:
        assert text.returncode == 1
        assert "carries no words" in text.stderr
        assert len(text.stderr.splitlines()) == 1


def test_photos_are_tagged_with_the_texts_of_the_model(work, embedded, spark):
    if embedded == "alone":
        with pytest.raises(InputError, match="has no words: it was registered without"):
            use(work, spark, embedded, predict_labels.run, PredictLabels)
        return
    use(work, spark, embedded, predict_labels.run, PredictLabels, k=1)
    tags = {row["photo_id"]: row for row in of_model(work, embedded, "predictions")}
    assert len(tags) == len(contents())
    right = [photo.startswith(row["label"]) for photo, row in tags.items()]
    assert np.mean(right) > 0.95
    assert {(row["seen"], row["term"] == row["label"]) for row in tags.values()} == {(False, True)}


@pytest.mark.parametrize(
    ("run", "kind"),
    [
        (evaluate.run, Evaluate),
        (report.run, Report),
        (export_projector.run, ExportProjector),
        (fine_tune.run, FineTune),
    ],
)
def test_jobs_that_need_a_model_trained_here_say_so(work, spark, run, kind):
    told = r"towers-v1-\w+ was registered by register_model, so this job has no use for it"
    with pytest.raises(InputError, match=told):
        use(work, spark, "towers", run, kind)


def test_a_keras_file_is_exported_and_a_saved_model_is_not(work, spark):
    assert use(work, spark, "towers", export_model.run, ExportModel, photos=4).rows["files"] > 3
    with pytest.raises(InputError, match=r"is a SavedModel that was registered: use that"):
        use(work, spark, "alone", export_model.run, ExportModel)


def test_backbone_features_of_another_network_are_not_known(work, spark):
    with pytest.raises(InputError, match="this job has no use for it"):
        use(work, spark, "towers", embed_photos.run, EmbedPhotos, store_backbone_features=True)


def test_the_same_model_is_registered_once_and_another_is_a_new_version(work, spark, capsys):
    again = execute(spark, register_model.run, work.registering)
    assert again.rows == work.records["towers"].rows
    assert "towers-v1-" in capsys.readouterr().out
    assert len(tracking.versions_of("towers")) == 1
    other = work.registering.model_copy(update={"scaling": "imagenet", "model_name": "alone"})
    execute(spark, register_model.run, other)
    assert tracking.find_champion("alone").version == "2"


def test_a_run_that_was_killed_before_its_texts_goes_on(work, spark, monkeypatch):
    """The version is there, without texts and without its alias, until the job runs again."""
    config = work.registering.model_copy(update={"model_name": "killed"})

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Tables, "overwrite", die)
        with pytest.raises(KeyboardInterrupt):
            execute(spark, register_model.run, config)
    assert tracking.find_champion("killed") is None
    execute(spark, register_model.run, config)
    assert tracking.find_champion("killed").version == "1"
    assert len(of_model(work, "killed", "text_vectors")) == len(NAMES)


def test_the_name_of_a_model_that_was_trained_here_is_kept(work, spark):
    from devise_lib import model_store

    pixels = keras.Input((SIDE, SIDE, 3))
    trained = keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(pixels))
    example = np.zeros((1, SIDE, SIDE, 3), np.float32)
    with tracking.job_run(work.registering):
        model_store.register_keras(trained, "ours", example, ["keras"], lambda _: None, {})
    config = work.registering.model_copy(update={"model_name": "ours"})
    with pytest.raises(InputError, match="ours is the name of a model that was trained here"):
        execute(spark, register_model.run, config)


@pytest.mark.usefixtures("work")
def test_training_under_the_name_of_a_registered_model_does_not_replace_it():
    decision = compare(None, [], "towers")
    assert not decision.wins
    assert "was registered by register_model" in decision.why


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"texts": ["red"], "vector": [[1.0] * D]}, "lacks text; it has texts, vector"),
        ({"text": [1], "vector": [[1.0] * D]}, "text of .* is bigint, want string"),
        ({"text": ["red"], "vector": [1.0]}, "vector of .* is double, want an array of numbers"),
        ({"text": ["red", " "], "vector": [[1.0] * D] * 2}, r"a text is empty \(''\)"),
        ({"text": ["red", "x"], "vector": [[1.0] * D, [1.0]]}, r"has not 6 numbers \('x'\)"),
        ({"text": ["red", "x"], "vector": [[1.0] * D, None]}, r"has not 6 numbers \('x'\)"),
        ({"text": ["a"], "vector": [[float("nan")] * D]}, r"is not finite \('a'\)"),
        ({"text": ["a", "b"], "vector": [[0.0] * D, [-0.0] * D]}, r"is zero \('a', 'b'\)"),
        ({"text": ["a", "a "], "vector": [[1.0] * D, [2.0] * D]}, r"has two vectors \('a'\)"),
        ({"text": pa.array([], pa.string()), "vector": pa.array([], pa.list_(pa.float32()))},
         "has no row"),
    ],
)  # fmt: skip
def test_texts_that_cannot_be_used_are_told_and_nothing_is_registered(
    work, spark, tmp_path, table, told
):
    path = tmp_path / "texts.parquet"
    pq.write_table(pa.table(table), path)
    config = work.registering.model_copy(update={"texts": str(path), "model_name": "bad"})
    with pytest.raises(InputError, match=told):
        execute(spark, register_model.run, config)
    assert tracking.versions_of("bad") == []


def test_a_vector_of_other_numbers_is_made_a_unit_vector(work, towers):
    rows = of_model(work, "towers", "text_vectors")
    wanted = l2_normalize(towers.texts)
    found = {row["text"]: row["vector"] for row in rows}
    np.testing.assert_allclose([found[name] for name in NAMES], wanted, atol=1e-6)


def test_the_source_must_be_there(tmp_path):
    from devise_lib.config.loader import load_settings
    from devise_lib.errors import ConfigError

    path = Path(tmp_path) / "some.toml"
    path.write_text('[register_model]\nsource = "none.keras"\nmodel_name = "x"\n')
    with pytest.raises(ConfigError, match=r"register_model\.source"):
        load_settings(path, [], ["register_model"])
