import json

import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.numerics.linear import Projection
from devise_lib.training.bundle import ABOUT, ARRAYS, ProjectionBundle, load_bundle


def draw(*shape):
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


BUNDLE = ProjectionBundle(
    {
        "devise": Projection(draw(4, 6), draw(4)),
        "random_embeddings": Projection(draw(5, 6)[:4], draw(4)),
    },
    {"zebra": draw(4), "aardvark": draw(5)[:4], "Äsche, fish": draw(6)[:4]},
    draw(6, 2),
    draw(2),
    ["n02", "Äsche, fish"],
    "small_cnn-0123abcd",
    "816-6e0b8d2f41a3c957",
)


def test_a_bundle_comes_back_as_it_was_saved(tmp_path):
    BUNDLE.save(tmp_path)
    loaded = load_bundle(tmp_path)
    assert list(loaded.projections) == list(BUNDLE.projections)
    for method, projection in BUNDLE.projections.items():
        assert (loaded.projections[method].matrix == projection.matrix).all()
        assert (loaded.projections[method].offset == projection.offset).all()
    assert set(loaded.control_vectors) == set(BUNDLE.control_vectors)
    for label, vector in BUNDLE.control_vectors.items():
        assert (loaded.control_vectors[label] == vector).all()
    assert (loaded.kernel == BUNDLE.kernel).all()
    assert (loaded.bias == BUNDLE.bias).all()
    for name in ("classes", "backbone_id", "words_id"):
        assert getattr(loaded, name) == getattr(BUNDLE, name)


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
    with pytest.raises(ValueError, match="allow_pickle=False"):
        load_bundle(tmp_path)
    assert not sprung.exists()


@pytest.mark.parametrize("name", [ARRAYS, ABOUT])
def test_a_missing_file_is_told(tmp_path, name):
    BUNDLE.save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=f"holds no {name}: the model was not made by train_dev"):
        load_bundle(tmp_path)


def test_a_bundle_without_the_id_of_its_words_is_of_an_older_model(tmp_path):
    BUNDLE.save(tmp_path)
    about = json.loads((tmp_path / ABOUT).read_text(encoding="utf-8"))
    del about["words_id"]
    (tmp_path / ABOUT).write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(InputError, match="is of an older train_devise: run train_devise again"):
        load_bundle(tmp_path)
