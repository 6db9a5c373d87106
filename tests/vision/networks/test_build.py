import keras
import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.numerics.conse import softmax
from devise_lib.vision.networks.backbones import Backbone
from devise_lib.vision.networks.build import make_network, network_to_train, read_network
from devise_lib.vision.networks.keras_file import bytes_of_model, model_of_bytes

SIZES = {  # one of each kind, at about the smallest side that it takes
    "small_cnn": 32,
    "squeezenet_1.1": 48,
    "cifar_resnet_8": 32,
    "mobilenet_0.25_128": 32,
    "mobilenet_v2": 32,
    "mobilenet_v3_small": 32,
    "efficientnet_b0": 32,
    "resnet_50": 32,
    "inception_v3": 75,
}
LARGE = {"resnet_50", "inception_v3"}  # seconds of building; other kinds are like them
RNG = np.random.default_rng(0)
TINY = "mobilenet_0.25_128"


def draw_photos(size):
    return RNG.integers(0, 256, (2, size, size, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.soak) if n in LARGE else n for n in SIZES]
)
def test_each_network_is_a_softmax_on_the_mean_of_its_map_and_loads_in_safe_mode(name):
    size = SIZES[name]
    model = make_network(name, 5, size)
    photos = draw_photos(size)
    pooled = np.asarray(Backbone(name, model, list("abcde"), size).features()(photos))
    kernel = RNG.standard_normal((pooled.shape[1], 5)) / np.linalg.norm(pooled[0])
    model.get_layer("softmax").set_weights([kernel, RNG.standard_normal(5)])
    by_map = Backbone(name, model, list("abcde"), size, "map")
    features = np.asarray(by_map.features()(photos))
    layer, probabilities = by_map.classifier(), np.asarray(model(photos))
    assert layer.kernel.shape == (features.shape[1], 5)
    found = softmax(features.astype(np.float64) @ layer.kernel + layer.bias)
    np.testing.assert_allclose(found, probabilities, atol=1e-4)
    assert pooled.any()
    loaded = model_of_bytes(bytes_of_model(model))
    np.testing.assert_allclose(loaded(photos), probabilities, atol=1e-5)
    assert all(not isinstance(layer, keras.Model) for layer in model.layers)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The weights of one network in each form, and the network."""
    keras.utils.set_random_seed(3)
    folder = tmp_path_factory.mktemp("weights")
    shape = (128, 128, 3)
    whole = keras.applications.MobileNet(shape, alpha=0.25, weights=None, classes=7)
    body = keras.applications.MobileNet(shape, alpha=0.25, weights=None, include_top=False)
    body.set_weights(whole.get_weights()[: len(body.weights)])
    paths = {}
    for kind, net in (("whole", whole), ("body", body)):
        for suffix in (".weights.h5", ".h5"):
            path = folder / (kind + suffix)
            net.save_weights(path) if suffix == ".weights.h5" else net.save(path)
            paths[kind + suffix] = str(path)
    return paths, whole


FORMS = ["whole.weights.h5", "whole.h5", "body.weights.h5", "body.h5"]


@pytest.mark.parametrize("form", FORMS)
def test_training_starts_at_the_weights_of_each_form_of_a_file(files, form):
    paths, whole = files
    model = network_to_train(TINY, paths[form], 4, 128, -1, seed=0)
    wanted = whole.get_weights()[:-2]
    for one, other in zip(model.get_weights()[:-2], wanted, strict=True):
        np.testing.assert_array_equal(one, other)
    assert model.output_shape == (None, 4)


@pytest.mark.parametrize("form", FORMS)
def test_a_network_is_taken_as_it_is_where_the_file_has_its_classifier(files, form):
    paths, whole = files
    if form.startswith("body"):
        with pytest.raises(InputError, match="has 0 layers of a classifier, want 1"):
            read_network(TINY, paths[form], 7, 128)
        return
    photos = draw_photos(128)
    wanted = np.asarray(whole(photos / 127.5 - 1))
    np.testing.assert_allclose(read_network(TINY, paths[form], 7, 128)(photos), wanted, rtol=1e-4)


def test_a_classifier_of_other_classes_is_refused(files):
    with pytest.raises(
        InputError, match=r"is \[\(1, 1, 256, 7\), \(7,\)\], want \[\(256, 9\), \(9,"
    ):
        read_network(TINY, files[0]["whole.h5"], 9, 128)


def test_weights_of_another_width_are_refused_by_shape(files):
    for form in FORMS:
        with pytest.raises(
            InputError, match=r"is \[\(3, 3, 3, 8\)\], want \[\(3, 3, 3, 16\)\] for"
        ):
            network_to_train("mobilenet_0.50_128", files[0][form], 4, 128, -1, 0)


def test_weights_of_a_deeper_network_are_refused(tmp_path):
    path = tmp_path / "deep.weights.h5"
    make_network("cifar_resnet_14", 10, 32).save_weights(path)
    with pytest.raises(InputError, match="weights of cifar_resnet_8: "):
        network_to_train("cifar_resnet_8", str(path), 10, 32, -1, 0)


def test_the_softmax_of_squeezenet_cannot_be_taken_over():
    with pytest.raises(InputError, match="no dense layer on pooled features: leave out `classes`"):
        read_network("squeezenet_1.1", "some.h5", 1000, 227)


@pytest.mark.parametrize("layer", ["first_conv", "softmax"])
def test_weights_that_are_not_finite_are_refused(tmp_path, layer):
    """The kind of fault: numbers that are not finite, which go through without a word.

    Such a network gives no features, and every photo would be left out of FEATURES.
    """
    path, model = tmp_path / "net.weights.h5", make_network("cifar_resnet_8", 10, 32)
    spoilt = [
        np.where(np.arange(w.size).reshape(w.shape) == 5, np.nan, w)
        for w in model.get_layer(layer).get_weights()
    ]
    model.get_layer(layer).set_weights(spoilt)
    model.save_weights(path)
    with pytest.raises(InputError, match="has numbers that are not finite"):
        read_network("cifar_resnet_8", str(path), 10, 32)


@pytest.fixture(scope="module")
def cifar_weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("cifar") / "net.weights.h5"
    make_network("cifar_resnet_8", 10, 32).save_weights(path)
    return str(path)


@pytest.mark.parametrize(
    ("count", "trained"),
    [
        (0, {"softmax"}),
        (1, {"stage3_block1_bn2", "softmax"}),
        (3, {"stage3_block1_bn1", "stage3_block1_conv2", "stage3_block1_bn2", "softmax"}),
    ],
)
def test_of_the_weights_given_the_last_layers_alone_are_trained(cifar_weights, count, trained):
    model = network_to_train("cifar_resnet_8", cifar_weights, 3, 32, count, 0)
    names = {layer.name for layer in model.layers if layer.trainable_weights}
    assert names == trained
    loaded = model_of_bytes(bytes_of_model(model))  # as the ranks get it
    assert {layer.name for layer in loaded.layers if layer.trainable_weights} == trained


@pytest.mark.parametrize("count", [-1, 14, 100])
def test_all_layers_are_trained_where_none_is_left_out(cifar_weights, count):
    model = network_to_train("cifar_resnet_8", cifar_weights, 3, 32, count, 0)
    assert all(layer.trainable for layer in model.layers)


def test_batch_normalisation_that_is_frozen_keeps_its_statistics(cifar_weights):
    photos = draw_photos(32)
    for count, moves in ((0, False), (-1, True)):
        model = network_to_train("cifar_resnet_8", cifar_weights, 3, 32, count, 0)
        before = model.get_layer("first_bn").get_weights()
        resting = np.asarray(model(photos))
        training = np.asarray(model(photos, training=True))
        after = model.get_layer("first_bn").get_weights()
        assert all((a == b).all() for a, b in zip(before, after, strict=True)) is not moves
        assert np.allclose(resting, training, atol=1e-6) is not moves


def test_the_seed_fixes_the_random_weights():
    one, same, other = (network_to_train("small_cnn", "", 3, 32, -1, s) for s in (1, 1, 2))
    for a, b in zip(one.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (one.get_layer("softmax").kernel != other.get_layer("softmax").kernel).numpy().any()
