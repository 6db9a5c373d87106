import json
from pathlib import Path

import keras
import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.vision.networks.backbones import (
    MAX_DIMENSION,
    Backbone,
    features_file,
    load_backbone,
    read_classes,
)
from devise_lib.vision.networks.build import make_network, network_to_train, read_network
from devise_lib.vision.networks.inference import Network
from devise_lib.vision.networks.keras_file import model_of_bytes

CLASSES = ["cat", "dog", "owl"]
PHOTOS = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.float32)


def make_backbone(seed: int, feature_layer: str = "pooled") -> Backbone:
    keras.utils.set_random_seed(seed)
    model = make_network("small_cnn", len(CLASSES), 32)
    model(PHOTOS, training=True)  # moves the statistics of the batch normalisation
    return Backbone("small_cnn", model, CLASSES, 32, feature_layer)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return make_backbone(1)


@pytest.mark.parametrize(("layer", "dimension"), [("pooled", 160), ("map", 2560), ("relu4", 2560)])
def test_the_classifier_on_the_features_is_the_whole_network(layer, dimension):
    backbone = make_backbone(1, layer)
    features = np.asarray(backbone.features()(PHOTOS))
    classifier = backbone.classifier()
    assert features.shape == (4, dimension)
    assert (classifier.kernel.shape, classifier.bias.shape) == ((dimension, 3), (3,))
    assert classifier.classes == CLASSES
    probabilities = np.asarray(backbone.model(PHOTOS))
    np.testing.assert_allclose(classifier.probabilities(features), probabilities, atol=1e-5)


def test_a_layer_that_the_softmax_is_not_linear_in_has_no_classifier():
    backbone = make_backbone(1, "bn4")
    features = np.asarray(backbone.features()(PHOTOS))
    wanted = keras.Model(backbone.model.input, backbone.model.get_layer("bn4").output)(PHOTOS)
    np.testing.assert_array_equal(features, np.asarray(wanted).reshape(4, -1))
    assert features.min() < 0
    classifier = backbone.classifier()
    assert (classifier.classes, classifier.kernel.shape) == ([], (features.shape[1], 0))


def test_an_unknown_layer_is_told_with_those_that_there_are():
    with pytest.raises(
        InputError, match=r"'fc7' to take .* 'pooled', 'map' or one of .*conv1, bn1"
    ):
        make_backbone(1, "fc7")


def test_features_that_are_too_many_to_compute_with_are_refused():
    assert MAX_DIMENSION == 16 * 16 * 32
    make_backbone(1, "relu1")
    large = make_network("small_cnn", 3, 64)
    with pytest.raises(InputError, match=r"'relu1' of small_cnn has 32,768 numbers .* 64 pixels"):
        Backbone("small_cnn", large, CLASSES, 64, "relu1")


def test_a_backbone_comes_back_as_it_was_saved(backbone, tmp_path):
    backbone.save(tmp_path / "new" / "folder")
    loaded = load_backbone(tmp_path / "new" / "folder")
    assert loaded.feature_layer == "pooled"
    assert (loaded.name, loaded.classes, loaded.image_size) == ("small_cnn", CLASSES, 32)
    assert loaded.identity() == backbone.identity()
    np.testing.assert_allclose(loaded.model(PHOTOS), backbone.model(PHOTOS), rtol=1e-6)


def test_the_id_tells_networks_of_other_weights_apart(backbone):
    assert backbone.identity().startswith("small_cnn-")
    assert make_backbone(1).identity() == backbone.identity()
    assert make_backbone(2).identity() != backbone.identity()


def test_the_id_tells_features_of_other_layers_and_sizes_apart(backbone):
    ids = {make_backbone(1, layer).identity() for layer in ("pooled", "map", "bn4")}
    ids.add(Backbone("small_cnn", backbone.model, CLASSES, 48).identity())
    assert len(ids) == 4


@pytest.mark.parametrize("layer", ["pooled", "map", "relu4", "bn4"])
def test_the_layer_of_the_features_comes_back_too(tmp_path, layer):
    backbone = make_backbone(1, layer)
    backbone.save(tmp_path)
    loaded = load_backbone(tmp_path)
    assert loaded.identity() == backbone.identity()
    np.testing.assert_allclose(loaded.features()(PHOTOS), backbone.features()(PHOTOS), rtol=1e-6)
    assert loaded.classifier().classes == backbone.classifier().classes
    np.testing.assert_array_equal(loaded.classifier().kernel, backbone.classifier().kernel)


def test_the_file_of_the_features_is_a_network_that_gives_them(backbone):
    network = Network(features_file(backbone), threads=1)
    wanted = np.asarray(backbone.features()(PHOTOS))
    assert (network.image_size, network.dimensions) == (32, (wanted.shape[1],))
    np.testing.assert_allclose(network(PHOTOS.astype(np.uint8))[0], wanted, rtol=1e-4, atol=1e-5)


def test_a_missing_backbone_names_the_job_that_makes_it(tmp_path):
    with pytest.raises(InputError, match=r"no backbone in .*: run train_backbone first"):
        load_backbone(tmp_path)


def test_a_backbone_of_an_older_version_is_told(backbone, tmp_path):
    backbone.save(tmp_path)
    about = json.loads((tmp_path / "backbone.json").read_text())
    del about["sha256"]
    (tmp_path / "backbone.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match="another version of train_backbone: run it again"):
        load_backbone(tmp_path)


@pytest.mark.parametrize("killed_before", ["backbone.keras", "backbone.json"])
def test_a_backbone_of_which_a_killed_run_wrote_a_part_is_no_backbone(
    backbone, tmp_path, monkeypatch, killed_before
):
    """The kind of fault: a result of several files, of which a reader takes a part for the whole.

    The run is ended before it puts one of the two files in its place, where there was no backbone
    before and where there was another one.
    """
    replace = Path.replace

    def die(path, target):
        if Path(target).name == killed_before:
            raise KeyboardInterrupt
        return replace(path, target)

    make_backbone(2).save(tmp_path / "another")
    old = load_backbone(tmp_path / "another").identity()
    for name in ("none", "another"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", die)
            with pytest.raises(KeyboardInterrupt):
                backbone.save(tmp_path / name)
    left = {path.name for path in (tmp_path / "none").iterdir()}
    assert left <= {"backbone.keras"}, "no drafts"
    with pytest.raises(InputError, match=r"no backbone in .*: run train_backbone first"):
        load_backbone(tmp_path / "none")
    if killed_before == "backbone.keras":
        assert load_backbone(tmp_path / "another").identity() == old
    else:
        with pytest.raises(InputError, match=r"is not the network .* run train_backbone again"):
            load_backbone(tmp_path / "another")
    backbone.save(tmp_path / "another")
    assert load_backbone(tmp_path / "another").identity() == backbone.identity()


def test_code_in_a_keras_file_is_not_run(tmp_path):
    inputs = keras.Input((32, 32, 3))
    path = tmp_path / "evil.keras"
    keras.Model(inputs, keras.layers.Lambda(lambda x: x * 2)(inputs)).save(path)
    with pytest.raises(ValueError, match=r"[Ll]ambda"):
        model_of_bytes(path.read_bytes())
    with pytest.raises(ValueError, match=r"[Ll]ambda"):
        Network(path.read_bytes(), threads=1)


def test_classes_are_read_in_the_order_of_the_softmax(tmp_path):
    path = tmp_path / "classes.json"
    path.write_text(json.dumps({"1": ["n02", "dog"], "0": ["n01", "cat"], "2": ["n03", "owl"]}))
    assert read_classes(str(path)) == ["n01", "n02", "n03"]


def test_a_backbone_that_was_kept_is_weights_and_classes_to_take_as_they_are(backbone, tmp_path):
    backbone.save(tmp_path)
    classes = read_classes(str(tmp_path / "backbone.json"))
    assert classes == CLASSES
    model = read_network("small_cnn", str(tmp_path / "backbone.keras"), len(classes), 32)
    np.testing.assert_array_equal(np.asarray(model(PHOTOS)), np.asarray(backbone.model(PHOTOS)))


@pytest.mark.parametrize(
    "name", ["efficientnet_b0", pytest.param("mobilenet_v3_small", marks=pytest.mark.soak)]
)
def test_what_is_done_to_pixels_within_a_network_is_done_once_however_often_it_is_kept(
    name, tmp_path
):
    """The kind of fault: a correction of published weights that is applied to corrected ones.

    Weights in the published form are kept as a backbone, and taken from there again: to train on,
    and as they are. Each network must give the same features for the same photos.
    """
    published = make_network(name, 3, 32)
    for layer in published.layers:
        if isinstance(layer, keras.layers.Normalization):
            mean, deviation = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
            layer.set_weights([mean, deviation, np.array(1)])  # as in the published files
            layer.finalize_state()
    published.save_weights(tmp_path / "published.weights.h5")
    network = network_to_train(name, str(tmp_path / "published.weights.h5"), 3, 32, -1, 0)
    kept = Backbone(name, network, CLASSES, 32)
    kept.save(tmp_path)
    path = str(tmp_path / "backbone.keras")
    wanted = np.asarray(kept.features()(PHOTOS))
    size = np.abs(wanted).max()
    assert np.abs(wanted[0] - wanted[1]).max() > 1e-2 * size, "photos are told apart"
    for again in (network_to_train(name, path, 3, 32, -1, 1), read_network(name, path, 3, 32)):
        found = np.asarray(Backbone(name, again, CLASSES, 32).features()(PHOTOS))
        np.testing.assert_allclose(found, wanted, atol=1e-3 * size)


@pytest.mark.parametrize("text", ['{"0": ["a"], "2": ["b"]}', "[1, 2]", "{", '{"0": 3}'])
def test_classes_of_another_form_are_refused(tmp_path, text):
    path = tmp_path / "classes.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r'classes.json: want JSON \{"0": \[label, name\]'):
        read_classes(str(path))


def test_a_backbone_on_a_store_comes_back(bucket, s3_files):
    folder = f"s3a://{bucket}/checkpoints/train_backbone"
    with pytest.raises(InputError, match="no backbone in s3a://"):
        load_backbone(folder)
    backbone = make_backbone(2)
    backbone.save(folder)
    assert load_backbone(folder).identity() == backbone.identity()
    s3_files.write(f"{folder}/backbone.keras", b"another")
    with pytest.raises(InputError, match="is not the network that"):
        load_backbone(folder)
