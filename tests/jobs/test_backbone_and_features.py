"""train_backbone with weights that are given, extract_features, and what they refuse."""

import io
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from pyspark.sql import functions as F

from devise_lib import tracking
from devise_lib.config.backbone import ExtractFeatures, TrainBackbone
from devise_lib.errors import InputError
from devise_lib.numerics.splits import is_test
from devise_lib.spark.photos import pixel_table
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import LABELS
from devise_lib.spark.train import backbone as backbone_training
from devise_lib.vision.images.decode import decode
from devise_lib.vision.networks.backbones import Backbone, load_backbone
from devise_lib.vision.networks.build import make_network
from jobs import extract_features, train_backbone
from tests.rows import read_rows, write_rows

pytestmark = pytest.mark.spark

SEEN = {"cat": True, "dog": True, "owl": False, "elk": True}


def picture(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 33), (level, 255 - level, 90)).save(buffer, "PNG")
    return buffer.getvalue()


NAMES = ["cat", "dog", "owl", "elk", "tabby", None, "unicorn"]
CONTENTS = {f"p{i:02d}": (picture(9 * i), NAMES[i % 7]) for i in range(28)}
CONTENTS["bad"] = (picture(3)[:60], "cat")


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr(tracking, "log_params", lambda _: None)
    monkeypatch.setattr(tracking, "find_champion", lambda _: None)


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> str:
    """A work folder with PHOTOS, LABELS (the elk has no vector) and a backbone."""
    folder = tmp_path_factory.mktemp("work")
    photos = [
        {"photo_id": i, "photo_set": "set", "path": f"/{i}", "label": name, "content": content}
        for i, (content, name) in CONTENTS.items()
    ]
    write_rows(folder, "photos", photos)
    labels = [
        (
            name,
            "s",
            [name],
            name,
            "exact",
            seen,
            ["tabby"] if name == "cat" else [],
            vector,
            vector,
            "",
        )
        for (name, seen), vector in zip(SEEN.items(), [[1.0], [1.0], [1.0], None], strict=True)
    ]
    write_rows(folder, "labels", [dict(zip(LABELS.names, row, strict=True)) for row in labels])
    keras.utils.set_random_seed(0)
    network = make_network("small_cnn", 3, 32)
    backbone = Backbone("small_cnn", network, ["cat", "dog", "elk"], 32)
    backbone.save(folder / "checkpoints" / "train_backbone")
    return str(folder)


@pytest.fixture(scope="module")
def features(spark, work):
    config = ExtractFeatures(work_dir=work, test_share=0.4, max_records_per_file=3, batch_size=4)
    counts = extract_features.run(spark, config)
    df = Tables.of(spark, config).read("features")
    rows = df.collect()
    strange = [name for _, name in CONTENTS.values() if name not in (*SEEN, "tabby", None)]
    assert counts == {
        "features": len(rows),
        "photos without features": 1,  # the bad one
        "photos of no label set": len(strange),
    }
    return {row["photo_id"]: row for row in rows}, df


def test_labelled_photos_that_can_be_targets_get_the_backbones_features(features, work):
    rows, _ = features
    label_of = {"cat": "cat", "dog": "dog", "owl": "owl", "tabby": "cat"}
    wanted = {i: label_of[n] for i, (_, n) in CONTENTS.items() if n in label_of and i != "bad"}
    assert {i: row["label"] for i, row in rows.items()} == wanted
    backbone = load_backbone(Path(work) / "checkpoints" / "train_backbone")
    ids = sorted(rows)
    pixels = np.stack([decode(CONTENTS[i][0], 32) for i in ids]).astype(np.float32)
    expected = np.asarray(backbone.features()(pixels))
    np.testing.assert_allclose([rows[i]["feature"] for i in ids], expected, rtol=1e-3, atol=1e-5)
    assert {row["backbone_id"] for row in rows.values()} == {backbone.identity()}


def test_unseen_labels_are_for_testing_only(features):
    for photo_id, row in features[0].items():
        kept = row["label"] == "owl" or is_test(photo_id, 0.4, 0)
        assert row["split"] == ("test" if kept else "train")
        assert row["seen"] == SEEN[row["label"]]


def test_files_lie_by_split_and_fold_and_are_short_and_plain_for_petastorm(features, work):
    files = list(
        Path(work).glob(
            "tables/features/backbone_id=*/split=*/fold=*/is_validation_photo=*/*.parquet"
        )
    )
    rows = features[0].values()
    places = {tuple(part.split("=")[1] for part in f.parts[-4:-1]) for f in files}
    null = "__HIVE_DEFAULT_PARTITION__"
    assert places == {
        (
            r["split"],
            null if r["fold"] is None else str(r["fold"]),
            str(r["is_validation_photo"]).lower(),
        )
        for r in rows
    }
    assert ("test", null, "false") in places
    train = [f for f in files if f.parts[-4] == "split=train"]
    assert len(train) >= sum(r["split"] == "train" for r in rows) / 3
    assert not any("snappy" in f.name for f in files)


@pytest.fixture
def copy(work, tmp_path) -> str:
    """A copy of the work folder."""
    return str(shutil.copytree(work, tmp_path / "work"))


@pytest.mark.usefixtures("features")
def test_without_a_photo_of_a_label_nothing_is_replaced(spark, copy):
    config = ExtractFeatures(work_dir=copy)
    tables = Tables.of(spark, config)
    before = tables.version("features")
    yak = {"label": "yak", "label_set": "s", "seen": True, "vector": [1.0]}
    write_rows(copy, "labels", [yak], "overwrite")
    with pytest.raises(InputError, match="no photo has a label of the label sets"):
        extract_features.run(spark, config)
    assert tables.version("features") == before


def test_without_a_backbone_the_job_that_makes_it_is_named(spark, tmp_path):
    with pytest.raises(InputError, match="run train_backbone first"):
        extract_features.run(spark, ExtractFeatures(work_dir=str(tmp_path)))


def test_a_network_that_is_given_is_taken_as_it_is(spark, tmp_path):
    keras.utils.set_random_seed(1)
    net = keras.applications.MobileNet(
        input_shape=(224, 224, 3), alpha=0.75, weights=None, classes=1000, dropout=0.0
    )
    net.save_weights(tmp_path / "net.weights.h5")
    names = {str(i): [f"n{i:08d}", f"thing {i}"] for i in range(1000)}
    (tmp_path / "classes.json").write_text(json.dumps(names))
    config = TrainBackbone(
        work_dir=str(tmp_path / "w"),
        backbone="mobilenet_0.75_224",
        weights=str(tmp_path / "net.weights.h5"),
        classes=str(tmp_path / "classes.json"),
    )
    assert train_backbone.run(spark, config) == {"photos": 0, "classes": 1000}
    backbone = load_backbone(tmp_path / "w" / "checkpoints" / "train_backbone")
    assert (backbone.name, backbone.image_size) == ("mobilenet_0.75_224", 224)
    assert backbone.classes[7] == "n00000007"
    np.testing.assert_array_equal(backbone.classifier().bias, net.get_weights()[-1])


def test_one_label_alone_is_nothing_to_learn(spark, copy, monkeypatch):
    def never(*_):
        raise AssertionError("a rank was started")

    monkeypatch.setattr(backbone_training, "run_ranks", never)
    [cat] = [row for row in read_rows(copy, "labels") if row["label"] == "cat"]
    write_rows(copy, "labels", [cat], "overwrite")
    with pytest.raises(InputError, match="photos of 1 seen labels to train on, want at least 2"):
        train_backbone.run(spark, TrainBackbone(work_dir=copy))


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"feature_layer": "fc7"}, "has no layer 'fc7' to take features from: want 'pooled'"),
        ({"weights": "{json}"}, "is no HDF5 file"),
        ({"backbone": "squeezenet_1.1", "feature_layer": "map"}, "86,528 numbers per photo of 227"),
    ],
)
def test_what_cannot_be_trained_is_told_before_a_photo_is_decoded(
    spark, work, tmp_path, monkeypatch, given, fault
):
    def never(*_):
        raise AssertionError("photos were decoded")

    monkeypatch.setattr(backbone_training, "write_pixels", never)
    (tmp_path / "net.json").write_text("{}")
    values = {k: v.replace("{json}", str(tmp_path / "net.json")) for k, v in given.items()}
    with pytest.raises(InputError, match=fault):
        train_backbone.run(spark, TrainBackbone(work_dir=work, **values))


@pytest.mark.slow
def test_a_network_is_trained_on_from_weights_and_its_frozen_layers_stay(
    spark, work, tmp_path, monkeypatch
):
    """And features may be taken from its last map."""
    monkeypatch.setattr(tracking, "log_curve", lambda *_, **__: None)
    keras.utils.set_random_seed(5)
    net = make_network("cifar_resnet_8", 7, 32)
    net.save_weights(tmp_path / "net.weights.h5")
    # A work folder of its own, whose tables are those of the others.
    own = tmp_path / "work"
    own.mkdir()
    (own / "tables").symlink_to(Path(work) / "tables")
    config = TrainBackbone(
        work_dir=str(own),
        backbone="cifar_resnet_8",
        weights=str(tmp_path / "net.weights.h5"),
        trainable_layers=2,
        feature_layer="map",
        ranks=1,  # each takes seconds to start
        epochs=1,
        batch_size=4,
        test_share=0.0,
        learning_rate=0.1,
    )
    counts = train_backbone.run(spark, config)
    assert counts["classes"] == 3
    backbone = load_backbone(own / "checkpoints" / "train_backbone")
    assert (backbone.classes, backbone.image_size) == (["cat", "dog", "elk"], 32)
    assert backbone.features().output_shape == (None, 8 * 8 * 64)
    trained = {"stage3_block1_conv2", "stage3_block1_bn2"}
    for layer in (x for x in backbone.model.layers if x.weights and x.name != "softmax"):
        pairs = zip(layer.get_weights(), net.get_layer(layer.name).get_weights(), strict=True)
        same = all((one == other).all() for one, other in pairs)
        assert same is (layer.name not in trained), layer.name


def test_pixels_are_photos_decoded_once(spark, work, monkeypatch):
    monkeypatch.setattr(pixel_table, "FILES_PER_RANK", 1)
    monkeypatch.setattr(pixel_table, "PHOTOS_PER_TASK", 2)
    tables = Tables.of(spark, TrainBackbone(work_dir=work))
    photos = tables.read("photos").where("label IN ('cat', 'dog')")
    photos = photos.withColumns(
        {"fold": (F.col("label") == "cat").cast("int"), "is_validation_photo": F.lit(True)}
    )
    rows = pixel_table.write_pixels(photos, photos.count(), 32, 1, tables)
    stored = {
        (row["label"], row["fold"], row["is_validation_photo"], bytes(row["pixels"]))
        for row in tables.read("pixels").collect()
    }
    wanted = {
        (name, int(name == "cat"), True, decode(content, 32).tobytes())
        for i, (content, name) in CONTENTS.items()
        if name in ("cat", "dog") and i != "bad"
    }
    assert stored == wanted
    assert rows == len(wanted) == 8
    assert len(tables.read("pixels").inputFiles()) > 2, "as many as photos ask for, not one a fold"
