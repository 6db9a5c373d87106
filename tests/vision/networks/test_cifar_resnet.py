import keras
import numpy as np
import pytest

from devise_lib.vision.networks.build import make_network

# He et al. (2016), table 6: millions of parameters, with 10 classes.
TABLE_6 = {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.7}
PHOTOS = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)


@pytest.mark.parametrize("depth", TABLE_6)
def test_it_has_the_parameters_of_the_paper(depth):
    model = make_network(f"cifar_resnet_{depth}", 10, 32)
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    digits = 2 if depth < 100 else 1
    assert round(trained / 1e6, digits) == TABLE_6[depth]
    with_weights = (keras.layers.Conv2D, keras.layers.Dense)
    assert sum(isinstance(layer, with_weights) for layer in model.layers) == depth


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return make_network("cifar_resnet_14", 10, 32)


def outputs(model, *names):
    tensors = [model.get_layer(name).output for name in names]
    return [np.asarray(x) for x in keras.Model(model.input, tensors)(PHOTOS)]


def test_maps_are_halved_twice_and_the_features_are_64(model):
    shapes = [x.shape[1:] for x in outputs(model, *(f"stage{s}_block2_out" for s in (1, 2, 3)))]
    assert shapes == [(32, 32, 16), (16, 16, 32), (8, 8, 64)]
    assert model.get_layer("pooled").output.shape == (None, 64)


def test_without_its_convolutions_a_block_is_its_shortcut():
    """Option A: every other pixel, and zeros for the channels that are new."""
    model = make_network("cifar_resnet_14", 10, 32)
    for layer in model.layers:
        if layer.name.startswith("stage") and isinstance(layer, keras.layers.Conv2D):
            layer.set_weights([np.zeros(layer.kernel.shape)])
    first, last = outputs(model, "first_out", "stage3_block2_out")
    assert first.max() > 0
    np.testing.assert_array_equal(last[..., :16], first[:, ::4, ::4])
    assert not last[..., 16:].any()


def test_a_stride_takes_the_pixels_that_the_shortcut_takes(model):
    layer = model.get_layer("stage2_block1_conv1")
    kernel = np.zeros(layer.kernel.shape, dtype=np.float32)
    kernel[1, 1, :, :16] = np.eye(16)  # each pixel as it is
    layer.set_weights([kernel])
    before, after = outputs(model, "stage1_block2_out", layer.name)
    np.testing.assert_allclose(after[..., :16], before[:, ::2, ::2], rtol=1e-5)
