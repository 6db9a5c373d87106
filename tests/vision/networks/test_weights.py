import zipfile

import h5py
import keras
import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.vision.networks.build import network_to_train
from devise_lib.vision.networks.weights import load_layers, open_weights


def make_model() -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="fire2_squeeze1x1")(inputs)
    x = keras.layers.Normalization(name="scale")(x)
    x = keras.layers.Conv2D(2, 1, name="fire2_expand1x1")(x)
    outputs = keras.layers.Dense(5, name="top")(keras.layers.Flatten()(x))
    return keras.Model(inputs, outputs)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    model = make_model()
    model.get_layer("scale").set_weights([np.arange(4.0), np.arange(1.0, 5.0), np.array(3)])
    model.get_layer("scale").finalize_state()
    return model


def body(model):
    return [x for x in model.layers if x.weights][:-1]


def write_keras_2(path, model, rename=lambda name: name, leave_out=()):
    """As Keras 2 wrote weights, with the names of Caffe."""
    with h5py.File(path, "w") as file:
        names = [rename(x.name) for x in model.layers if x.name not in leave_out]
        file.attrs["layer_names"] = [name.encode() for name in names]
        for layer in model.layers:
            if layer.name in leave_out:
                continue
            group = file.create_group(rename(layer.name))
            weights = [f"{rename(layer.name)}_{n}:0" for n in range(len(layer.weights))]
            group.attrs["weight_names"] = [name.encode() for name in weights]
            for name, value in zip(weights, layer.get_weights(), strict=True):
                group[name] = value


@pytest.fixture(params=["keras 3", ".keras", "keras 2", "keras 2, Caffe's names", "whole model"])
def path(request, model, tmp_path):
    if request.param == "keras 3":
        path = tmp_path / "a.weights.h5"
        model.save_weights(path)
    elif request.param in (".keras", "whole model"):
        path = tmp_path / f"a.{'keras' if request.param == '.keras' else 'h5'}"
        model.save(path)
    else:
        path = tmp_path / "a.h5"
        caffe = request.param.endswith("names")
        write_keras_2(path, model, lambda n: n.replace("fire2_", "fire2/") if caffe else n)
    return path


@pytest.mark.parametrize("named", [True, False])
def test_every_form_fills_the_layers_and_leaves_the_classifier(model, path, named):
    keras.utils.set_random_seed(1)
    other = make_model()
    photos = np.random.default_rng(0).random((2, 8, 8, 3), dtype=np.float32)
    with open_weights(path) as stored:
        [rest] = load_layers(other, body(other), stored, named)
        for one, wanted in zip(rest.arrays(), model.get_layer("top").get_weights(), strict=True):
            np.testing.assert_array_equal(one, wanted)
    maps = [
        np.asarray(keras.Model(net.input, net.get_layer("fire2_expand1x1").output)(photos))
        for net in (model, other)
    ]
    np.testing.assert_array_equal(*maps)


def test_layers_that_a_file_lacks_are_named(model, tmp_path):
    path = tmp_path / "a.h5"
    write_keras_2(path, model, leave_out=("fire2_expand1x1", "scale"))
    with open_weights(path) as stored:
        with pytest.raises(ValueError, match=r"it lacks scale; it lacks fire2_expand1x1$"):
            load_layers(model, body(model), stored, named=True)
        with pytest.raises(ValueError, match="has 2 layers with weights, want 3 before"):
            load_layers(model, body(model), stored, named=False)


def test_nothing_is_changed_by_a_file_of_another_shape(model, tmp_path):
    path = tmp_path / "a.weights.h5"
    model.save_weights(path)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="first")(inputs)
    other = keras.Model(inputs, keras.layers.Conv2D(3, 1, name="second")(x))
    before = other.get_weights()
    fault = r"conv2d_1 is \[\(1, 1, 4, 2\), \(2,\)\], want \[\(1, 1, 4, 3\), \(3,\)\] for second$"
    with open_weights(path) as stored, pytest.raises(ValueError, match=fault):
        load_layers(other, other.layers[1:], stored, named=True)
    for one, same in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, same)


def test_of_many_faults_some_are_told(tmp_path):
    path = tmp_path / "a.h5"
    write_keras_2(path, make_model())
    with pytest.raises(InputError, match=r"lacks conv1; .*; .*, and 20 more faults$"):
        network_to_train("squeezenet_1.1", str(path), 3, 64, -1, 0)


def test_more_than_ten_layers_of_a_class_keep_their_order(tmp_path):
    inputs = x = keras.Input((4, 4, 1))
    for number in range(12):
        x = keras.layers.Conv2D(1, 1, name=f"c{number}")(x)
    model = keras.Model(inputs, x)
    for number in range(12):
        model.get_layer(f"c{number}").set_weights([np.full((1, 1, 1, 1), number), np.zeros(1)])
    model.save_weights(tmp_path / "a.weights.h5")
    with open_weights(tmp_path / "a.weights.h5") as stored:
        assert [layer.arrays()[0].item() for layer in stored.layers] == list(range(12))


def text(path):
    path.write_text("no weights")


def empty(path):
    h5py.File(path, "w").close()


def layers_without_weights(path):
    with h5py.File(path, "w") as file:
        file.create_group("layers/conv2d/vars")


def link_to_another_file(path):
    with h5py.File(path.parent / "secret.h5", "w") as file:
        file["x"] = np.zeros(3)
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = h5py.ExternalLink("secret.h5", "x")


def external_storage(path):
    with h5py.File(path, "w") as file:
        external = [(str(path.parent / "raw.bin"), 0, h5py.h5f.UNLIMITED)]
        file.create_dataset("layers/dense/vars/0", (3,), "f4", external=external)


def strings(path):
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = ["a", "b"]


def zip_without_weights(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")


def keras_file_with_a_link(path):
    linked, secret = path.parent / "linked.h5", path.parent / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["x"] = np.zeros(3)
    with h5py.File(linked, "w") as file:
        file["layers/dense/vars/0"] = h5py.ExternalLink(str(secret), "x")
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(linked, "model.weights.h5")


@pytest.mark.parametrize(
    ("write", "fault"),
    [
        (zip_without_weights, r"is a zip without model\.weights\.h5"),
        (keras_file_with_a_link, "is not a file of weights as Keras writes them"),
        (text, "is no HDF5 file"),
        (empty, "is not a file of weights as Keras writes them"),
        (layers_without_weights, "holds no weights"),
        (link_to_another_file, "no array of numbers of its own"),
        (external_storage, "no array of numbers of its own"),
        (strings, "no array of numbers of its own"),
    ],
)
def test_other_files_are_refused(tmp_path, write, fault):
    path = tmp_path / "a.h5"
    write(path)
    with pytest.raises(InputError, match=fault), open_weights(path):
        pass


def test_a_missing_file_is_told(tmp_path):
    with (
        pytest.raises(InputError, match=r"is no HDF5 file: .*No such file"),
        open_weights(tmp_path / "none.h5"),
    ):
        pass
