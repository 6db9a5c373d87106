import io
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from devise_lib.errors import InputError
from devise_lib.spark.photos import inference
from devise_lib.spark.photos.inference import Model, with_pixels, with_vectors
from devise_lib.vision.images.decode import decode

pytestmark = pytest.mark.spark

KEEP = ["photo_id", "label"]


def photo(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 30), (level, 255 - level, level // 2)).save(buffer, "PNG")
    return buffer.getvalue()


CONTENTS = {f"p{i:02d}": photo(10 * i + 3) for i in range(20)}
CONTENTS |= {"bad": b"no photo", "cut": photo(200)[:60], "none": b""}


@pytest.fixture(scope="module")
def photos(spark):
    rows = [
        (i, f"label of {i}", f"/{i}.png", len(content), "digest", content, 7)
        for i, content in CONTENTS.items()
    ]
    columns = "photo_id string, label string, path string, size_bytes long, sha256 string"
    columns += ", content binary, other int"
    return spark.createDataFrame(rows, columns).cache()


@pytest.fixture(scope="module")
def network(spark, tmp_path_factory):
    """Mean colour times a matrix; the matrix too."""
    inputs = keras.Input((16, 16, 3))
    dense = keras.layers.Dense(4, use_bias=False)
    model = keras.Model(inputs, dense(keras.layers.GlobalAveragePooling2D()(inputs)))
    matrix = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    dense.set_weights([matrix])
    path = tmp_path_factory.mktemp("network") / "network.keras"
    model.save(path)
    return spark.sparkContext.broadcast(path.read_bytes()), matrix


@pytest.fixture(scope="module")
def results(photos, network):
    return with_vectors(photos, Model(network[0], 3), KEEP).collect()


def test_every_photo_has_a_vector_or_a_reason(results, network):
    assert {row["photo_id"] for row in results} == set(CONTENTS)
    assert len(results) == len(CONTENTS)
    for row in results:
        assert row["label"] == f"label of {row['photo_id']}"
        pixels = decode(CONTENTS[row["photo_id"]], 16)
        if row["reason"] is None:
            wanted = pixels.mean(axis=(0, 1)) @ network[1]
            np.testing.assert_allclose(row["vector"], wanted, rtol=1e-4)
            assert row["message"] is None
        else:
            assert row["vector"] is None
            assert (row["reason"], row["message"]) == (pixels.reason.value, pixels.message)
    assert {row["photo_id"] for row in results if row["reason"]} == {"bad", "cut", "none"}


def test_the_columns_are_those_kept_and_the_result(results):
    assert list(results[0].asDict()) == [*KEEP, "vector", "reason", "message"]


def test_vectors_depend_neither_on_the_partitions_nor_on_the_batches(photos, network, results):
    again = with_vectors(photos.repartition(5), Model(network[0], 64), KEEP).collect()
    first = {row["photo_id"]: row for row in results}
    for row in again:
        assert row["reason"] == first[row["photo_id"]]["reason"]
        if row["vector"]:
            np.testing.assert_allclose(
                row["vector"], first[row["photo_id"]]["vector"], rtol=1e-5, atol=1e-4
            )
    assert len(again) == len(results)


def test_pixels_are_the_decoded_photo_and_bad_ones_are_left_out(photos):
    rows = with_pixels(photos, ["photo_id", "other"], 12).collect()
    assert {row["photo_id"] for row in rows} == set(CONTENTS) - {"bad", "cut", "none"}
    for row in rows:
        assert bytes(row["pixels"]) == decode(CONTENTS[row["photo_id"]], 12).tobytes()
        assert row["other"] == 7


def test_a_task_takes_the_gpu_that_spark_gave_it_or_says_that_there_is_none(network, monkeypatch):
    given = {"gpu": SimpleNamespace(addresses=["3"])}
    context = SimpleNamespace(cpus=lambda: 2, resources=lambda: given, partitionId=lambda: 0)
    monkeypatch.setattr(inference, "TaskContext", SimpleNamespace(get=lambda: context))
    monkeypatch.setattr(inference, "load_network", lambda *args: args[1:])
    model = Model(network[0], 3)
    monkeypatch.setattr(inference, "count_gpus", lambda: 4)
    assert inference._load(model)[0] == (2, "/GPU:3")
    monkeypatch.setattr(inference, "count_gpus", lambda: 0)
    with pytest.raises(InputError, match=r"gave this task GPU 3 of .*TensorFlow sees none there"):
        inference._load(model)
    given.clear()
    assert inference._load(model)[0] == (2, "/CPU:0")
