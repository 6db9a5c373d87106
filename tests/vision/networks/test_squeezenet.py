import h5py
import keras
import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.vision.images.decode import decode
from devise_lib.vision.networks.backbones import Backbone
from devise_lib.vision.networks.build import make_network, network_to_train
from devise_lib.vision.networks.weights import open_weights

SIZE, CLASSES = 128, 20


def test_it_has_the_parameters_and_maps_of_version_1_1():
    model = make_network("squeezenet_1.1", 10, 227)
    assert model.count_params() - 513 * 10 == 722_496
    shapes = {n: model.get_layer(n).output.shape[1:] for n in ("conv1", "pool1", "fire9_concat")}
    assert shapes == {"conv1": (113, 113, 64), "pool1": (56, 56, 64), "fire9_concat": (13, 13, 512)}


def test_a_fire_module_squeezes_and_lays_two_expansions_side_by_side():
    keras.utils.set_random_seed(0)
    model = make_network("squeezenet_1.1", 10, 48)
    names = ["pool1", "fire2_squeeze1x1", "fire2_expand1x1", "fire2_expand3x3", "fire2_concat"]
    tensors = [model.get_layer(name).output for name in names]
    photos = np.random.default_rng(0).integers(0, 256, (1, 48, 48, 3)).astype(np.float32)
    x, squeezed, left, right, both = map(np.asarray, keras.Model(model.input, tensors)(photos))

    def convolve(x, name):
        kernel, bias = model.get_layer(name).get_weights()
        far = kernel.shape[0] // 2
        x = np.pad(x, ((0, 0), (far, far), (far, far), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], (1, 2))
        return np.einsum("nhwcij,ijck->nhwk", windows, kernel) + bias

    np.testing.assert_allclose(squeezed, convolve(x, names[1]), rtol=1e-4, atol=1e-3)
    squeezed = np.maximum(squeezed, 0)
    np.testing.assert_allclose(left, convolve(squeezed, names[2]), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(right, convolve(squeezed, names[3]), rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(both, np.maximum(np.concatenate([left, right], -1), 0))


@pytest.fixture(scope="module")
def weights(devise_data) -> str:
    return str(devise_data / "weights" / "squeezenet_1.1_notop.h5")


@pytest.mark.data
def test_weights_of_keras_2_come_to_the_layers_of_their_names(weights):
    model = network_to_train("squeezenet_1.1", weights, 3, 64, trainable_layers=0, seed=0)
    with h5py.File(weights) as file:
        for name in ("conv1", "fire2/squeeze1x1", "fire6/expand1x1", "fire9/expand3x3"):
            wanted = [file[name][n][:] for n in file[name].attrs["weight_names"]]
            found = model.get_layer(name.replace("/", "_")).get_weights()
            for one, other in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(one, other)
    with open_weights(weights) as stored:
        assert len(stored.layers) == sum(bool(x.weights) for x in model.layers) - 1  # the softmax


@pytest.mark.data
def test_weights_of_another_network_are_refused(weights, devise_data):
    other = str(devise_data / "weights" / "mobilenet_0.75_224.weights.h5")
    with pytest.raises(
        InputError, match=r"does not hold weights of squeezenet_1\.1: it lacks conv2d_15 \(fire6_"
    ):
        network_to_train("squeezenet_1.1", other, 3, 64, -1, 0)
    with pytest.raises(InputError, match=r"weights of mobilenet_0.75_224: it has 25 layers"):
        network_to_train("mobilenet_0.75_224", weights, 3, 224, -1, 0)


def hits_of_nearest_mean(features, labels, is_training):
    """The share of the other photos whose class has the mean of the greatest cosine."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    means = np.stack([unit[is_training & (labels == c)].mean(0) for c in range(labels.max() + 1)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    found = (unit[~is_training] @ means.T).argmax(axis=1)
    return (found == labels[~is_training]).mean()


@pytest.mark.data
@pytest.mark.slow
def test_its_features_tell_real_photos_apart(weights, devise_data):
    """81 % on 20 of Caltech's classes; random weights and pixels scaled otherwise give a third."""
    folders = sorted((devise_data / "images" / "caltech101_15").iterdir())[:CLASSES]
    files = [(c, f) for c, folder in enumerate(folders) for f in sorted(folder.iterdir())]
    photos = np.stack([decode(f.read_bytes(), SIZE) for _, f in files]).astype(np.float32)
    labels = np.array([c for c, _ in files])
    is_training = np.arange(len(files)) % 15 < 10

    def hits(source, photos):
        model = network_to_train("squeezenet_1.1", source, CLASSES, SIZE, -1, seed=0)
        backbone = Backbone("squeezenet_1.1", model, [f.name for f in folders], SIZE)
        features = backbone.features().predict(photos, batch_size=50, verbose=0)
        return hits_of_nearest_mean(features, labels, is_training)

    found = hits(weights, photos)
    assert found > 0.75
    assert hits("", photos) < found - 0.4
    assert hits(weights, photos / 255) < found - 0.4
