import keras
import numpy as np
import pytest
import tensorflow as tf

from devise_lib.numerics.linear import Affine, Projection
from devise_lib.training.model import assemble, requirements
from devise_lib.vision.networks.backbones import Backbone
from devise_lib.vision.networks.build import make_network
from devise_lib.vision.networks.inference import Network

PHOTOS = np.random.default_rng(2).integers(0, 256, (3, 32, 32, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    keras.utils.set_random_seed(0)
    return Backbone("small_cnn", make_network("small_cnn", 4, 32), list("abcd"), 32)


@pytest.fixture(scope="module", params=[(7,), (9, 7)])
def projection(backbone, request) -> Projection:
    rng = np.random.default_rng(1)
    d = backbone.features().output_shape[-1]
    layers = []
    for width in request.param:
        matrix = rng.standard_normal((width, d)).astype(np.float32)
        layers.append(Affine(matrix, rng.standard_normal(width).astype(np.float32)))
        d = width
    return Projection(tuple(layers))


def test_the_model_is_features_then_projection_then_unit_norm(backbone, projection):
    features = np.asarray(backbone.features()(PHOTOS))
    embedded = assemble(backbone, projection).predict(PHOTOS, verbose=0)
    np.testing.assert_allclose(embedded, projection.embed(features), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(embedded, axis=1), 1, rtol=1e-5)


def test_its_keras_file_is_a_network_for_the_workers(backbone, projection, tmp_path):
    model = assemble(backbone, projection)
    model.save(tmp_path / "model.keras")
    network = Network((tmp_path / "model.keras").read_bytes(), threads=1)
    assert (network.image_size, network.dimensions) == (32, (7,))
    [found] = network(PHOTOS.astype(np.uint8))
    np.testing.assert_allclose(found, np.asarray(model(PHOTOS)), atol=1e-5)


def test_its_requirements_are_what_is_installed():
    named = dict(line.split("==") for line in requirements())
    assert named["keras"] == keras.__version__
    assert named["numpy"] == np.__version__
    assert tf.__version__ in (named.get("tensorflow"), named.get("tensorflow-cpu"))
