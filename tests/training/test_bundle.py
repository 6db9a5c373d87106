import json
from dataclasses import replace

import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.numerics.candidates import SoftmaxLayer
from devise_lib.numerics.linear import Affine, Projection
from devise_lib.training.bundle import (
    ABOUT,
    ARRAYS,
    ProjectionBundle,
    TrainedProjection,
    load_bundle,
)


def draw(*shape):
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def projection(*shapes):
    return Projection(tuple(Affine(draw(*shape), draw(shape[0])) for shape in shapes))


BUNDLE = ProjectionBundle(
    [
        TrainedProjection("devise", 3, None, projection((4, 6))),
        TrainedProjection("devise", 4, None, projection((5, 6), (4, 5))),
        TrainedProjection("random_embeddings", 3, 2, projection((4, 6))),
    ],
    {"zebra": draw(4), "aardvark": draw(5)[:4], "Äsche, fish": draw(6)[:4]},
    SoftmaxLayer(draw(6, 2), draw(2), ["n02", "Äsche, fish"]),
    "small_cnn-0123abcd",
    "816-6e0b8d2f41a3c957",
    negatives="training",
    penalty=0.125,
)


def test_a_bundle_comes_back_as_it_was_saved(tmp_path):
    BUNDLE.save(tmp_path)
    loaded = load_bundle(tmp_path)
    for found, wanted in zip(loaded.trained, BUNDLE.trained, strict=True):
        assert (found.method, found.seed, found.fold) == (wanted.method, wanted.seed, wanted.fold)
        for one, other in zip(found.projection.layers, wanted.projection.layers, strict=True):
            assert (one.matrix == other.matrix).all()
            assert (one.offset == other.offset).all()
    assert set(loaded.control_vectors) == set(BUNDLE.control_vectors)
    for label, vector in BUNDLE.control_vectors.items():
        assert (loaded.control_vectors[label] == vector).all()
    assert (loaded.layer.kernel == BUNDLE.layer.kernel).all()
    assert (loaded.layer.bias == BUNDLE.layer.bias).all()
    assert loaded.layer.classes == BUNDLE.layer.classes
    for name in ("backbone_id", "words_id", "folds_id", "score", "objective", "negatives"):
        assert getattr(loaded, name) == getattr(BUNDLE, name)
    assert loaded.penalty == BUNDLE.penalty


def test_a_softmax_of_no_class_comes_back_too(tmp_path):
    nothing = SoftmaxLayer(draw(6, 0), draw(0), [])
    replace(BUNDLE, layer=nothing).save(tmp_path)
    loaded = load_bundle(tmp_path).layer
    assert (loaded.kernel.shape, loaded.bias.shape, loaded.classes) == ((6, 0), (0,), [])


def test_its_files_hold_no_pickle(tmp_path):
    BUNDLE.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([ARRAYS, ABOUT])
    with np.load(tmp_path / ARRAYS, allow_pickle=False) as arrays:
        assert {arrays[name].dtype for name in arrays} == {np.dtype(np.float32)}


class Trap:
    """Unpickling it would create a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def test_a_pickle_put_in_its_place_is_not_loaded(tmp_path):
    BUNDLE.save(tmp_path)
    sprung = tmp_path / "sprung"
    with np.load(tmp_path / ARRAYS) as arrays:
        changed = dict(arrays) | {"kernel": np.array([Trap(sprung)], dtype=object)}
    np.savez(tmp_path / ARRAYS, **changed)
    with pytest.raises(InputError, match="allow_pickle=False"):
        load_bundle(tmp_path)
    assert not sprung.exists()


@pytest.mark.parametrize("name", [ARRAYS, ABOUT])
def test_a_missing_file_is_told(tmp_path, name):
    BUNDLE.save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=f"holds no {name}: the model was not made by train_dev"):
        load_bundle(tmp_path)


def test_a_bundle_of_another_version_is_told(tmp_path):
    BUNDLE.save(tmp_path)
    about = json.loads((tmp_path / ABOUT).read_text(encoding="utf-8"))
    for form in ({"form": 1}, {}):
        changed = {key: value for key, value in about.items() if key != "form"} | form
        (tmp_path / ABOUT).write_text(json.dumps(changed), encoding="utf-8")
        with pytest.raises(InputError, match="another version of train_devise: run train_devise"):
            load_bundle(tmp_path)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (ARRAYS, lambda _: b""),
        (ARRAYS, lambda content: content[:-100]),
        (ARRAYS, lambda _: b"no archive"),
        (ABOUT, lambda _: b"[]"),
        (ABOUT, lambda content: content[:-100]),
        (ABOUT, lambda content: content.replace(b"control_labels", b"other_labels")),
        (ABOUT, lambda content: content.replace(b'"margin"', b'"no_margin"')),
    ],
)
def test_a_damaged_bundle_is_told(tmp_path, name, damage):
    """Kind of fault: an error of a library escapes where the user's file is at fault."""
    BUNDLE.save(tmp_path)
    content = (tmp_path / name).read_bytes()
    assert damage(content) != content
    (tmp_path / name).write_bytes(damage(content))
    with pytest.raises(InputError, match=f"{tmp_path}.* is damaged"):
        load_bundle(tmp_path)
