import json

import keras
import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.numerics.conse import softmax
from devise_lib.vision.backbones import (
    Backbone,
    backbone_of_bytes,
    features_file,
    load_backbone,
    mobilenet,
    read_classes,
    small_cnn,
)
from devise_lib.vision.inference import Network

CLASSES = ["cat", "dog", "owl"]
PHOTOS = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.float32)


def make_backbone(seed: int) -> Backbone:
    keras.utils.set_random_seed(seed)
    model = small_cnn(len(CLASSES), 32)
    model(PHOTOS, training=True)  # moves the statistics of the batch normalisation
    return Backbone("small_cnn", model, CLASSES, 32)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return make_backbone(1)


def test_the_classifier_on_the_features_is_the_whole_network(backbone):
    features = np.asarray(backbone.features()(PHOTOS))
    kernel, bias = backbone.classifier()
    assert features.shape == (4, len(kernel))
    assert (kernel.shape[1:], bias.shape) == ((3,), (3,))
    probabilities = np.asarray(backbone.model(PHOTOS))
    np.testing.assert_allclose(softmax(features @ kernel + bias), probabilities, atol=1e-5)


def test_a_backbone_comes_back_as_it_was_saved(backbone, tmp_path):
    backbone.save(tmp_path / "new" / "folder")
    loaded = load_backbone(tmp_path / "new" / "folder")
    assert (loaded.name, loaded.classes, loaded.image_size) == ("small_cnn", CLASSES, 32)
    assert loaded.identity() == backbone.identity()
    np.testing.assert_allclose(loaded.model(PHOTOS), backbone.model(PHOTOS), rtol=1e-6)


def test_the_id_tells_networks_of_other_weights_apart(backbone):
    assert backbone.identity().startswith("small_cnn-")
    assert make_backbone(1).identity() == backbone.identity()
    assert make_backbone(2).identity() != backbone.identity()


def test_the_file_of_the_features_is_a_network_that_gives_them(backbone):
    network = Network(features_file(backbone), threads=1)
    wanted = np.asarray(backbone.features()(PHOTOS))
    assert (network.image_size, network.dimension) == (32, wanted.shape[1])
    np.testing.assert_allclose(network(PHOTOS.astype(np.uint8)), wanted, rtol=1e-4, atol=1e-5)


def test_a_missing_backbone_names_the_job_that_makes_it(tmp_path):
    with pytest.raises(InputError, match=r"no backbone in .*: run train_backbone first"):
        load_backbone(tmp_path)


def test_code_in_a_keras_file_is_not_run(tmp_path):
    inputs = keras.Input((32, 32, 3))
    path = tmp_path / "evil.keras"
    keras.Model(inputs, keras.layers.Lambda(lambda x: x * 2)(inputs)).save(path)
    with pytest.raises(ValueError, match=r"[Ll]ambda"):
        backbone_of_bytes("evil", path.read_bytes(), CLASSES, 32)
    with pytest.raises(ValueError, match=r"[Ll]ambda"):
        Network(path.read_bytes(), threads=1)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of MobileNet's weights, random ones, and the network that they are of."""
    keras.utils.set_random_seed(3)
    net = keras.applications.MobileNet(
        input_shape=(224, 224, 3), alpha=0.75, weights=None, classes=1000, dropout=0.0
    )
    path = tmp_path_factory.mktemp("weights") / "net.weights.h5"
    net.save_weights(path)
    return path, net


def test_mobilenet_takes_rgb_and_gives_what_the_weights_give(weights):
    path, net = weights
    photos = np.random.default_rng(1).integers(0, 256, (2, 224, 224, 3)).astype(np.float32)
    backbone = Backbone("mobilenet_0.75_224", mobilenet(path, 224), [], 224)
    is_pooled = keras.layers.GlobalAveragePooling2D
    pooled = next(layer.output for layer in net.layers if isinstance(layer, is_pooled))
    features, wanted = keras.Model(net.inputs, [pooled, net.output])(photos / 127.5 - 1)
    features, wanted = np.asarray(features).reshape(2, 768), np.asarray(wanted)
    found = np.asarray(backbone.features()(photos))
    np.testing.assert_allclose(found, features, atol=1e-3 * features.max())
    np.testing.assert_allclose(backbone.model(photos), wanted, rtol=1e-3)
    kernel, bias = backbone.classifier()
    np.testing.assert_allclose(softmax(found @ kernel + bias), wanted, rtol=1e-3)


@pytest.mark.filterwarnings("ignore:Skipping nested container")  # Keras, before it fails
def test_mobilenet_refuses_another_size_and_other_weights(weights, tmp_path, backbone):
    with pytest.raises(InputError, match=r"is 160, but mobilenet_0\.75_224 wants 224"):
        mobilenet(weights[0], 160)
    other = tmp_path / "other.weights.h5"
    backbone.model.save_weights(other)
    text = tmp_path / "text.weights.h5"
    text.write_text("no weights")
    for path in (other, text):
        with pytest.raises(InputError, match="does not hold weights of mobilenet_0"):
            mobilenet(path, 224)


def test_classes_are_read_in_the_order_of_the_softmax(tmp_path):
    path = tmp_path / "classes.json"
    path.write_text(json.dumps({"1": ["n02", "dog"], "0": ["n01", "cat"], "2": ["n03", "owl"]}))
    assert read_classes(path) == ["n01", "n02", "n03"]


@pytest.mark.parametrize("text", ['{"0": ["a"], "2": ["b"]}', "[1, 2]", "{", '{"0": 3}'])
def test_classes_of_another_form_are_refused(tmp_path, text):
    path = tmp_path / "classes.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r'classes.json: want JSON \{"0": \[label, name\]'):
        read_classes(path)
