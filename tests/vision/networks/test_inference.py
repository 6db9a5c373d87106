import io

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from devise_lib.reasons import Reason
from devise_lib.vision.images.decode import Refusal, decode, decode_inspected
from devise_lib.vision.networks import inference
from devise_lib.vision.networks.inference import Network, embed, load_network


def make_file(tmp_path_factory, seed: int) -> bytes:
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((16, 16, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    path = tmp_path_factory.mktemp("network") / "network.keras"
    keras.Model(inputs, keras.layers.Dense(5)(pooled)).save(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory) -> bytes:
    return make_file(tmp_path_factory, 0)


@pytest.fixture(scope="module")
def network(keras_file) -> Network:
    return Network(keras_file, threads=1)


def photo_of(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 24), (level, 255 - level, 7)).save(buffer, "PNG")
    return buffer.getvalue()


class MeanColour:
    """A network that is easily checked; a black photo breaks it."""

    image_size = 16

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, photos):
        self.calls.append(len(photos))
        means = photos.mean(axis=(1, 2)).astype(np.float32)
        black = np.where(means[:, :1] == 0, np.nan, means)
        return [black, 2 * means]


def embed_all(network, contents, size):
    return list(embed(network, [decode_inspected(c, 16) for c in contents], size))


contents = st.lists(
    st.integers(0, 255).map(photo_of) | st.sampled_from([b"", b"no photo"]), max_size=9
)


@given(contents, st.integers(1, 5))
def test_each_photo_gets_its_own_vector_or_reason_however_the_batches_are_cut(photos, size):
    network = MeanColour()
    results = embed_all(network, photos, size)
    assert len(results) == len(photos)
    for content, result in zip(photos, results, strict=True):
        pixels = decode(content, 16)
        if isinstance(pixels, Refusal):
            assert result == pixels
        elif pixels[0, 0, 0] == 0:
            assert result == Refusal(
                Reason.NOT_FINITE, "the network gave a number that is not finite"
            )
        else:
            np.testing.assert_allclose(result[0], pixels.mean(axis=(0, 1)), rtol=1e-6)
            np.testing.assert_allclose(result[1], 2 * result[0])
    good = sum(not isinstance(decode(content, 16), Refusal) for content in photos)
    calls, early = -(-good // size), len(photos) // (inference.MOST_WAITING * size)
    assert set(network.calls) <= {size}  # every call has the same shape
    assert calls <= len(network.calls) <= calls + early


def test_a_number_that_half_precision_cannot_hold_is_refused():
    pixels = [np.full((16, 16, 3), level, np.uint8) for level in (1, 2)]

    class Bright(MeanColour):
        def __call__(self, photos):
            return [photos.mean(axis=(1, 2)).astype(np.float32) * 40_000]

    assert all(isinstance(r, tuple) for r in embed(Bright(), pixels, 2))
    first, second = embed(Bright(), pixels, 2, "float16")
    np.testing.assert_array_equal(first[0], np.full(3, 40_000, np.float16))
    assert second.reason == Reason.NOT_FINITE


def test_a_batch_without_a_photo_does_not_run_the_network():
    network = MeanColour()
    assert [r.reason for r in embed_all(network, [b"", b"x"], 2)] == ["empty", "not_an_image"]
    assert network.calls == []


def test_refused_photos_do_not_pile_up_before_a_batch_is_full():
    network, taken = MeanColour(), 0

    def decoded():
        nonlocal taken
        for number in range(200):
            taken += 1
            yield decode_inspected(photo_of(7) if number % 50 == 49 else b"", 16)

    for done, _ in enumerate(embed(network, decoded(), 3), start=1):
        assert taken - done < inference.MOST_WAITING * 3
    assert done == 200
    assert len(network.calls) == 4


def test_a_network_gives_what_its_keras_model_gives(network, keras_file, tmp_path):
    path = tmp_path / "network.keras"
    path.write_bytes(keras_file)
    photos = np.random.default_rng(0).integers(0, 256, (7, 16, 16, 3)).astype(np.uint8)
    wanted = keras.models.load_model(path).predict(photos.astype(np.float32), verbose=0)
    np.testing.assert_allclose(network(photos)[0], wanted, rtol=1e-5, atol=1e-4)
    assert (network.image_size, network.dimensions) == (16, (5,))


@pytest.mark.parametrize("count", [0, 1, 64])
def test_a_network_takes_batches_of_any_length(network, count):
    [vectors] = network(np.zeros((count, 16, 16, 3), dtype=np.uint8))
    assert (vectors.shape, vectors.dtype) == ((count, 5), np.float32)


def test_a_network_refuses_photos_of_another_size(network):
    with pytest.raises((TypeError, ValueError), match=r"16, 16, 3"):
        network(np.zeros((2, 24, 24, 3), dtype=np.uint8))


def test_a_process_loads_a_network_once_and_holds_one(keras_file, tmp_path_factory):
    first = load_network(keras_file)
    assert load_network(bytes(keras_file)) is first
    other = load_network(make_file(tmp_path_factory, 1))
    assert other is not first
    assert list(inference._LOADED.values()) == [other]
