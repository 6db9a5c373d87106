"""Reads a network's weights from a file of Keras 3 (.weights.h5, .keras) or of Keras 2 (.h5).

Keras's own loader is not used for three reasons. It treats files with and without the classifier as
files of different networks. It ignores the layer names of both. It reports the first fault only.
"""

import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError

MAX_LISTED = 3  # faults that a message lists
WITHIN = "model.weights.h5"  # the weights of a .keras file, which is a zip


@dataclass(frozen=True)
class StoredLayer:
    """The weights of a layer: arrays, or datasets of a file that are read on demand."""

    name: str
    weights: Sequence[Any]

    def shapes(self) -> list[tuple[int, ...]]:
        """Returns the shape of each weight."""
        return [tuple(weight.shape) for weight in self.weights]

    def arrays(self) -> list[NDArray[Any]]:
        """Reads all weights.

        Raises:
            ValueError: a number is not finite, as after a training that diverged.
        """
        found = [np.asarray(weight) for weight in self.weights]
        if not all(np.isfinite(array).all() for array in found):
            raise ValueError(f"{self.name} has numbers that are not finite")
        return found


@dataclass(frozen=True)
class StoredWeights:
    """The layers of a file that have weights.

    Attributes:
        layers: in the network's order; in that order within each class if `by_class`.
        by_class: whether layers are named by class and number (conv2d, conv2d_1), as by Keras 3,
            instead of by their own names.
    """

    layers: Sequence[StoredLayer]
    by_class: bool = False


@contextmanager
def open_weights(path: Path) -> Iterator[StoredWeights]:
    """Opens a file of weights; the layers can be read inside the `with` block.

    Raises:
        InputError: the file is no HDF5, has another form, or points to other files.
    """
    with _open_hdf5(path) as file:
        try:
            keras3 = "layers" in file
            stored = StoredWeights(_of_keras_3(file) if keras3 else _of_keras_2(file), keras3)
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{path} is not a file of weights as Keras writes them: {error!r}"
            ) from error
        if not stored.layers:
            raise InputError(f"{path} holds no weights")
        yield stored


def _open_hdf5(path: Path) -> h5py.File:
    """Opens a file, or the weights within a .keras file, of which nothing else is read."""
    try:
        if not zipfile.is_zipfile(path):
            return h5py.File(path, "r")
        with zipfile.ZipFile(path) as archive:
            return h5py.File(io.BytesIO(archive.read(WITHIN)), "r")
    except KeyError:
        raise InputError(f"{path} is a zip without {WITHIN}, and so no .keras file") from None
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no HDF5 file: {error}") from error


def _of_keras_3(file: h5py.File) -> list[StoredLayer]:
    """Returns the groups layers/<class>/vars/<number>, by number; HDF5 lists them
    alphabetically.
    """
    found = []
    for key, group in file["layers"].items():
        variables = group.get("vars", {})
        if len(variables):  # a group is true without a member, too
            numbers = sorted(variables, key=int)
            found.append(StoredLayer(key, [_own_dataset(variables, n) for n in numbers]))
    return sorted(found, key=lambda layer: _counted(layer.name))


def _counted(key: str) -> tuple[str, int]:
    head, _, number = key.rpartition("_")
    return (head, int(number)) if number.isdigit() else (key, 0)


def _of_keras_2(file: h5py.File) -> list[StoredLayer]:
    """Returns the groups of the layers, whose order and whose weights' order are attributes."""
    root = file.get("model_weights", file)  # in a file of the whole model; else the file itself
    found = []
    for name in _texts(root.attrs["layer_names"]):
        group = root[name]
        if weights := _texts(group.attrs["weight_names"]):
            found.append(StoredLayer(name, [_own_dataset(group, weight) for weight in weights]))
    return found


def _texts(values: Sequence[Any]) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _own_dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    """Returns a dataset stored in the file itself, because a link could read any file of the
    machine.
    """
    dataset = group[name]
    if (
        not isinstance(dataset, h5py.Dataset)
        or dataset.file.filename != group.file.filename
        or dataset.external
        or dataset.is_virtual
        or dataset.dtype.kind not in "fiu"
    ):
        raise TypeError(f"{name} is no array of numbers of its own")
    return dataset


def load_layers(
    model: keras.Model, layers: Sequence[keras.Layer], stored: StoredWeights, named: bool
) -> list[StoredLayer]:
    """Loads the weights of a file into `layers`, either all of them or none.

    Args:
        model: the network; Keras 3 numbers its layers by class.
        layers: the layers with weights that the file must hold, in the network's order.
        stored: the weights of the file.
        named: whether the names of the network's layers are reliable. If not, layers are matched by
            their order, as Keras does.

    Returns:
        The file's remaining layers, which are those of a classifier.

    Raises:
        ValueError: a layer is missing, of another shape, or not finite; the message lists the
            faults.
    """
    if stored.by_class:
        keys = _class_keys(model)
        pairs, rest = _by_name(layers, [keys[layer.name] for layer in layers], stored)
    elif named:
        pairs, rest = _by_name(layers, [layer.name for layer in layers], stored)
    else:
        pairs, rest = _by_order(layers, stored)
    faults = [
        f"{there.name} is {there.shapes()}, want {wanted} for {here.name}"
        for here, there in pairs
        if there.shapes() != (wanted := [tuple(weight.shape) for weight in here.weights])
    ]
    _raise_any(faults)
    read = [(here, there.arrays()) for here, there in pairs]
    for here, arrays in read:
        here.set_weights(arrays)
        if isinstance(here, keras.layers.Normalization):
            here.finalize_state()  # the layer computes with copies of its weights
    return rest


Pairs = list[tuple[keras.Layer, StoredLayer]]


def _by_name(
    layers: Sequence[keras.Layer], names: Sequence[str], stored: StoredWeights
) -> tuple[Pairs, list[StoredLayer]]:
    # Keras 3 forbids the "/" that names of Keras 2 have.
    there: Mapping[str, StoredLayer] = {
        layer.name.replace("/", "_"): layer for layer in stored.layers
    }
    wanted = dict(zip(names, layers, strict=True))
    called = {name: f" ({x.name})" if x.name != name else "" for name, x in wanted.items()}
    _raise_any([f"it lacks {name}{called[name]}" for name in names if name not in there])
    pairs = [(layer, there[name]) for name, layer in wanted.items()]
    return pairs, [layer for name, layer in there.items() if name not in wanted]


def _by_order(
    layers: Sequence[keras.Layer], stored: StoredWeights
) -> tuple[Pairs, list[StoredLayer]]:
    count = len(layers)
    if len(stored.layers) < count:
        raise ValueError(
            f"it has {len(stored.layers)} layers with weights, want {count} before a classifier"
        )
    return list(zip(layers, stored.layers[:count], strict=True)), list(stored.layers[count:])


def _class_keys(model: keras.Model) -> dict[str, str]:
    """Returns the key of each layer in a Keras 3 file: its class and number (conv2d, conv2d_1)."""
    seen: Counter[str] = Counter()
    keys = {}
    for layer in model.layers:
        kind = _snake_case(type(layer).__name__)
        keys[layer.name] = f"{kind}_{seen[kind]}" if seen[kind] else kind
        seen[kind] += 1
    return keys


def _snake_case(name: str) -> str:
    """Converts BatchNormalization to batch_normalization and Conv2D to conv2d, as Keras does."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _raise_any(faults: Sequence[str]) -> None:
    if faults:
        more = f", and {len(faults) - MAX_LISTED} more faults" if len(faults) > MAX_LISTED else ""
        raise ValueError("; ".join(faults[:MAX_LISTED]) + more)
