"""Encoders as others make them, beside what their own Keras network gives."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from devise_lib.errors import InputError
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.vision.networks.encoder_form import EncoderSettings
from devise_lib.vision.networks.image_encoder import open_encoder
from devise_lib.vision.networks.inference import Network
from devise_lib.vision.networks.keras_encoder import open_keras_file
from devise_lib.vision.networks.pixel_scaling import scale_pixels
from tests.index.built import D

SIDE = 8
PHOTOS = np.random.default_rng(1).integers(0, 256, (3, SIDE, SIDE, 3)).astype(np.uint8)


def convolution(size=SIDE, pooled=True, scaled=False):
    """A small network with a state of every kind: weights and moving averages."""
    keras.utils.set_random_seed(1)
    pixels = keras.Input((size, size, 3))
    x = keras.layers.Rescaling(1 / 255)(pixels) if scaled else pixels
    x = keras.layers.Conv2D(5, 3)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU(name="map")(x)
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(x) if pooled else x)


@pytest.fixture
def save(tmp_path):
    """Stores a network as a Keras file or a SavedModel, and returns its path."""

    def to(network, kind="keras"):
        path = tmp_path / (f"n[1].{kind}" if kind == "keras" else "saved [1]")
        if kind == "keras":
            network.save(path)
        else:
            network.export(path, verbose=False)
        return path

    return to


def expected(network, scaling):
    return l2_normalize(np.asarray(network(scale_pixels(PHOTOS.astype(np.float32), scaling))))


@pytest.mark.parametrize(("kind", "scaling"), [("keras", "caffe"), ("saved", "imagenet")])
def test_workers_get_the_unit_vectors_of_the_network(save, kind, scaling):
    network = convolution()
    encoder = open_encoder(save(network, kind), EncoderSettings(scaling=scaling))
    assert (encoder.image_size, encoder.dimension, encoder.scaling) == (SIDE, 5, scaling)
    assert encoder.is_keras == (kind == "keras")
    [found] = Network(encoder.network_file)(PHOTOS)
    np.testing.assert_allclose(found, expected(network, scaling), atol=1e-5)
    np.testing.assert_allclose(encoder(PHOTOS.astype(np.float32)), found, atol=1e-5)


def by_hand(pixel, scaling):
    """A pixel, RGB in [0, 255], as the published preprocessing of each kind scales it."""
    r, g, b = (float(value) for value in pixel)
    if scaling == "caffe":
        return [b - 103.939, g - 116.779, r - 123.68]
    if scaling == "-1..1":
        return [value / 127.5 - 1 for value in (r, g, b)]
    unit = [value / 255 for value in (r, g, b)]
    if scaling == "imagenet":
        means, deviations = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    elif scaling == "clip":
        means = 0.48145466, 0.4578275, 0.40821073
        deviations = 0.26862954, 0.26130258, 0.27577711
    else:
        means, deviations = (0, 0, 0), (1, 1, 1)
    return [(u - m) / d for u, m, d in zip(unit, means, deviations, strict=True)]


@pytest.mark.parametrize("scaling", ["0..1", "-1..1", "imagenet", "clip", "caffe"])
def test_pixels_are_scaled_as_each_kind_is_published(scaling):
    found = np.asarray(scale_pixels(PHOTOS.astype(np.float32), scaling))
    wanted = [by_hand(pixel, scaling) for pixel in PHOTOS.reshape(-1, 3)]
    np.testing.assert_allclose(found.reshape(-1, 3), wanted, atol=1e-4)


MODES = {"tf": "-1..1", "torch": "imagenet", "caffe": "caffe"}


@pytest.mark.parametrize("mode", MODES)
def test_scaling_agrees_with_that_of_keras(mode):
    photos = PHOTOS.astype(np.float32)
    wanted = keras.applications.imagenet_utils.preprocess_input(photos.copy(), mode=mode)
    np.testing.assert_allclose(scale_pixels(photos, MODES[mode]), wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "scaling"),
    [
        ("mobilenet_0.25_128", "-1..1"),
        ("mobilenetv2_1.00_224", "-1..1"),
        ("resnet50", "caffe"),
        ("resnet50v2", "-1..1"),
        ("densenet121", "imagenet"),
    ],
)
def test_a_network_of_keras_applications_is_known_by_its_name(save, name, scaling):
    network = convolution()
    network.name = name
    assert open_keras_file(save(network), EncoderSettings()).scaling == scaling


def test_a_network_with_layers_for_scaling_takes_photos_as_they_are(save):
    network = convolution(scaled=True)
    encoder = open_encoder(save(network), EncoderSettings())
    assert encoder.scaling == "0..255"
    np.testing.assert_allclose(
        encoder(PHOTOS.astype(np.float32)), expected(network, "0..255"), atol=1e-5
    )


@pytest.mark.parametrize("kind", ["keras", "saved"])
def test_a_map_is_averaged_over_its_places(save, kind):
    network = convolution(pooled=False)
    encoder = open_encoder(save(network, kind), EncoderSettings(scaling="0..1"))
    wanted = np.asarray(network(PHOTOS.astype(np.float32) / 255)).mean(axis=(1, 2))
    np.testing.assert_allclose(encoder(PHOTOS.astype(np.float32)), l2_normalize(wanted), atol=1e-5)


def test_a_layer_gives_the_vectors_before_the_classes(save):
    core = convolution()
    network = keras.Model(core.input, keras.layers.Dense(7, activation="softmax")(core.output))
    settings = EncoderSettings(scaling="0..1", output=core.layers[-1].name)
    encoder = open_encoder(save(network), settings)
    np.testing.assert_allclose(
        encoder(PHOTOS.astype(np.float32)), expected(core, "0..1"), atol=1e-5
    )


def test_a_network_for_photos_of_any_size_takes_the_size_that_is_given(save):
    path = save(convolution(size=None))
    with pytest.raises(InputError, match=r"photos of any size: give register_model.image_size"):
        open_encoder(path, EncoderSettings(scaling="0..1"))
    assert open_encoder(path, EncoderSettings(12, "0..1")).image_size == 12


class ChannelsFirst(tf.Module):
    """As networks of PyTorch are exported: (n, 3, rows, columns), with several outputs."""

    def __init__(self, dtype=tf.float32, batch=None):
        super().__init__()
        self.matrix = tf.Variable(np.random.default_rng(2).normal(size=(3, D)).astype(np.float32))
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(["a"], [1.0]), default_value=0.0
        )
        spec = tf.TensorSpec((batch, 3, SIDE, SIDE), dtype, name="pixel_values")
        self.function = tf.function(self.embed, input_signature=[spec])
        self.with_table = tf.function(self.look_up, input_signature=[spec])

    def embed(self, pixels):
        vectors = tf.reduce_mean(tf.cast(pixels, tf.float32), axis=(2, 3)) @ self.matrix
        return {"image_embeds": vectors, "hidden": vectors[:, :2]}

    def look_up(self, pixels):
        return {
            "image_embeds": self.embed(pixels)["image_embeds"] + self.table.lookup(tf.constant("a"))
        }


def export_channels_first(path, **arguments):
    module = ChannelsFirst(**arguments)
    signatures = {"serving_default": module.function, "odd": module.with_table}
    tf.saved_model.save(module, str(path), signatures)
    return module.matrix.numpy()


@pytest.mark.parametrize("dtype", [tf.float32, tf.float16, tf.uint8])
def test_a_saved_model_may_have_channels_first_and_several_outputs(tmp_path, dtype):
    matrix = export_channels_first(tmp_path / "m", dtype=dtype)
    settings = EncoderSettings(scaling="0..255", output="image_embeds")
    encoder = open_encoder(tmp_path / "m", settings)
    wanted = l2_normalize(PHOTOS.mean(axis=(1, 2)).astype(np.float32) @ matrix)
    [found] = Network(encoder.network_file)(PHOTOS)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (EncoderSettings(), "say which range of pixels it takes: give register_model.scaling"),
        (EncoderSettings(scaling="0..1", signature="x"), "no signature 'x'.*odd, serving_default"),
        (EncoderSettings(scaling="0..255"), "gives hidden, image_embeds: name one"),
        (EncoderSettings(scaling="0..255", output="x"), "name one by .*output, not 'x'"),
        (EncoderSettings(12, "0..255"), "image_size is 12: want squares of one size"),
        (
            EncoderSettings(scaling="0..255", output="image_embeds", signature="odd"),
            "state that cannot be made constant",
        ),
    ],
)
def test_what_a_saved_model_does_not_say_is_asked_for(tmp_path, settings, told):
    export_channels_first(tmp_path / "m")
    with pytest.raises(InputError, match=told):
        open_encoder(tmp_path / "m", settings)


def test_a_scaling_that_whole_numbers_would_round_is_refused(tmp_path):
    export_channels_first(tmp_path / "m", dtype=tf.uint8)
    with pytest.raises(InputError, match=r"takes uint8, which scaling '0\.\.1' would round"):
        open_encoder(tmp_path / "m", EncoderSettings(scaling="0..1", output="image_embeds"))


def test_a_saved_model_for_one_photo_per_call_is_refused(tmp_path):
    export_channels_first(tmp_path / "m", batch=1)
    with pytest.raises(InputError, match="takes 1 photos per call: export it for any"):
        open_encoder(tmp_path / "m", EncoderSettings(scaling="0..255", output="image_embeds"))


def two_inputs():
    a, b = keras.Input((SIDE, SIDE, 3)), keras.Input((SIDE, SIDE, 3))
    return keras.Model([a, b], keras.layers.GlobalAveragePooling2D()(a + b))


def with_lambda():
    pixels = keras.Input((SIDE, SIDE, 3))
    mean = keras.layers.Lambda(lambda x: keras.ops.mean(x, (1, 2)), output_shape=(3,))
    return keras.Model(pixels, mean(pixels))


def constant():
    """A network that sees no photo: all of its weights but the last ones are 0."""
    pixels = keras.Input((SIDE, SIDE, 3))
    dense = keras.layers.Dense(4, kernel_initializer="zeros", bias_initializer="ones")
    return keras.Model(pixels, dense(keras.layers.GlobalAveragePooling2D()(pixels)))


def not_finite():
    network = convolution()
    network.layers[1].bias.assign([np.nan] * 5)
    return network


def of_tokens():
    pixels = keras.Input((SIDE, SIDE, 3))
    return keras.Model(pixels, keras.layers.Reshape((SIDE * SIDE, 3))(pixels))


def of_grey():
    pixels = keras.Input((SIDE, SIDE, 1))
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(pixels))


@pytest.mark.parametrize(
    ("make", "settings", "told"),
    [
        (convolution, EncoderSettings(), "does not say which range of pixels"),
        (convolution, EncoderSettings(9, "0..1"), "image_size is 9: want squares"),
        (convolution, EncoderSettings(0, "0..1", "x"), "no layer 'x'; its last are"),
        (convolution, EncoderSettings(0, "0..1", "", "s"), "has no signatures: give none"),
        (two_inputs, EncoderSettings(0, "0..1"), "has 2 inputs, want one, of photos"),
        (with_lambda, EncoderSettings(0, "0..1"), "does not load in safe mode.*as a SavedModel"),
        (constant, EncoderSettings(0, "0..1"), "the same vector: it sees no photo"),
        (not_finite, EncoderSettings(0, "0..1"), "that are not finite"),
        (of_tokens, EncoderSettings(0, "0..1"), r"gives \(None, 64, 3\), want vectors"),
        (of_grey, EncoderSettings(0, "0..1"), r"takes \(None, 8, 8, 1\), want photos"),
    ],
)
def test_a_keras_file_that_is_no_encoder_of_photos_is_told(save, make, settings, told):
    with pytest.raises(InputError, match=told):
        open_encoder(save(make()), settings)


@pytest.mark.parametrize("content", [None, b"no network", b"PK\x03\x04 and more"])
def test_a_file_that_is_no_network_is_told(tmp_path, content):
    path = tmp_path / "net.keras"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"no folder of a SavedModel|neither|safe mode"):
        open_encoder(path, EncoderSettings(scaling="0..1"))


def test_a_damaged_graph_is_told():
    with pytest.raises(InputError, match="the frozen graph is damaged"):
        Network(b"\x00 no graph")
