import importlib

import keras
import numpy as np
import pytest

from devise_lib.backbone_catalog import network_type
from devise_lib.errors import InputError
from devise_lib.vision.networks.applications import application_map, download_imagenet
from devise_lib.vision.networks.build import network_to_train, read_network

RNG = np.random.default_rng(0)
# Name, module and function of keras.applications, side of the photos.
SCALED = [
    pytest.param("resnet_50", "resnet", "ResNet50", {}, 32, marks=pytest.mark.soak),  # seconds
    ("mobilenet_0.25_128", "mobilenet", "MobileNet", {"alpha": 0.25}, 32),
    ("mobilenet_v2", "mobilenet_v2", "MobileNetV2", {}, 32),
]


def draw_photos(size):
    return RNG.integers(0, 256, (2, size, size, 3)).astype(np.float32)


@pytest.mark.parametrize(("name", "module", "function", "arguments", "size"), SCALED)
def test_photos_are_scaled_as_the_networks_of_keras_want_them(
    name, module, function, arguments, size
):
    inputs = keras.Input((size, size, 3))
    ours = keras.Model(inputs, application_map(network_type(name), inputs))
    make = getattr(keras.applications, function)
    theirs = make(include_top=False, weights=None, input_shape=(size, size, 3), **arguments)
    theirs.set_weights(ours.get_weights())
    photos = draw_photos(size)
    scale = importlib.import_module(f"keras.applications.{module}").preprocess_input
    wanted = np.asarray(theirs(scale(photos.copy())))
    found = np.asarray(ours(photos))
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())
    unscaled = np.asarray(theirs(photos))
    assert np.abs(unscaled - wanted).max() > 0.01 * np.abs(wanted).max()


@pytest.fixture(
    scope="module",
    params=["efficientnet_b0", pytest.param("mobilenet_v3_small", marks=pytest.mark.soak)],
)
def published(request, tmp_path_factory):
    """A network of Keras with a classifier, whose file stands for that of ImageNet."""
    network = network_type(request.param)
    make = getattr(keras.applications, network.application)
    keras.utils.set_random_seed(0)
    net = make(weights=None, input_shape=(224, 224, 3))
    for layer in net.layers:
        if isinstance(layer, keras.layers.Normalization):
            mean, variance = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
            layer.set_weights([mean, variance, np.array(1)])
            layer.finalize_state()
    last = [layer for layer in net.layers if layer.weights][-1]
    hidden = np.asarray(keras.Model(net.input, last.input)(draw_photos(224)[:1]))
    kernel = RNG.standard_normal(last.kernel.shape) / np.linalg.norm(hidden)
    last.set_weights([kernel, np.zeros(1000)])  # so that probabilities depend on the photo
    path = tmp_path_factory.mktemp("published") / "net.weights.h5"
    net.save_weights(path)
    return network, make, str(path)


@pytest.fixture
def downloaded(published, monkeypatch):
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *_, **__: published[2])


@pytest.mark.usefixtures("downloaded")
@pytest.mark.parametrize("source", ["imagenet", "file"])
def test_weights_downloaded_or_from_a_file_give_what_keras_gives_with_imagenets(published, source):
    network, make, path = published
    photos = draw_photos(224)[:1]
    theirs = make(weights="imagenet")
    ours = read_network(network.name, path if source == "file" else source, 1000, 224)
    wanted = np.asarray(theirs(photos))
    assert wanted.max() > 5 * np.median(wanted)
    np.testing.assert_allclose(np.asarray(ours(photos)), wanted, rtol=1e-3)


def test_without_a_network_connection_the_remedy_is_told(monkeypatch):
    def fail(*_, **__):
        raise Exception("URL fetch failure on https://x/y.h5: None -- unreachable")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", fail)
    with pytest.raises(
        InputError, match=r"cannot download .* mobilenet_0\.25_128: URL fetch .*path"
    ):
        network_to_train("mobilenet_0.25_128", "imagenet", 3, 128, -1, 0)


def test_networks_that_keras_does_not_have_are_not_asked_for():
    with pytest.raises(InputError, match=r"no ImageNet weights of squeezenet_1\.1: give `weights`"):
        download_imagenet(network_type("squeezenet_1.1"), with_classifier=False)
