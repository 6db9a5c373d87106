"""Small data in the layout of CIFAR, AWA2 and fastText's vectors, in which words tell of pictures.

Every word is a point in a small space of meanings; its vector and the colours of its photos are
linear in that. So from photos of some classes the others can be told, as DeViSE wants it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from devise_lib.text.labels.label_files import to_term


def _names(text: str) -> list[str]:
    return text.split()


CIFAR_10 = _names("airplane automobile bird cat deer dog frog horse ship truck")
CIFAR_100 = _names("""
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
    camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile
    cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp
    lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom
    oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
    possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake
    spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor
    train trout tulip turtle wardrobe whale willow_tree wolf woman worm
""")
AWA2_UNSEEN = _names("""
    chimpanzee giant+panda leopard persian+cat pig hippopotamus humpback+whale raccoon rat seal
""")
AWA2 = AWA2_UNSEEN + _names("""
    antelope grizzly+bear killer+whale beaver dalmatian horse german+shepherd blue+whale siamese+cat
    skunk mole tiger moose spider+monkey elephant gorilla ox fox sheep hamster squirrel rhinoceros
    rabbit bat giraffe wolf chihuahua weasel otter buffalo zebra deer bobcat lion mouse polar+bear
    collie walrus cow dolphin
""")
DIMENSION = 300  # of fastText's vectors
MEANINGS = 5
PATCHES = 4  # of colour, along each side of a photo
NOISE = 20.0
SQUEEZENET = "squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5"


class SmallWorld:
    """Words with their vectors, and photos of what they name."""

    def __init__(self, names: Sequence[str], seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        self.words = sorted({word for name in names for word in to_term(name).split()})
        meanings = self._rng.normal(size=(len(self.words), MEANINGS))
        self._meanings = dict(zip(self.words, meanings, strict=True))
        self._to_vector = self._rng.normal(size=(MEANINGS, DIMENSION))
        self._to_colours = self._rng.normal(size=(MEANINGS, PATCHES * PATCHES * 3))

    def write_vectors(self, path: Path) -> None:
        """As fastText has them in text: the number of words and numbers, and a word a line."""
        lines = [f"{len(self.words)} {DIMENSION}"]
        for word in self.words:
            vector = self._meanings[word] @ self._to_vector
            lines.append(" ".join([word, *(f"{value:.4f}" for value in vector)]))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def photo(self, name: str, side: int) -> NDArray[np.uint8]:
        """RGB (side, side, 3): patches of the colours of a name, and noise."""
        unit = [m / np.linalg.norm(m) for m in map(self._meanings.get, to_term(name).split())]
        colours = (np.mean(unit, axis=0) @ self._to_colours).reshape(PATCHES, PATCHES, 3)
        large = np.kron(colours, np.ones((side // PATCHES, side // PATCHES, 1)))
        noise = self._rng.normal(size=large.shape)
        return np.clip(128 + 60 * large + NOISE * noise, 0, 255).astype(np.uint8)

    def write_cifar_100(self, folder: Path, classes: int, train: int, test: int) -> None:
        """cifar-100-binary: all names, and so many photos of the first classes."""
        folder.mkdir(parents=True)
        (folder / "fine_label_names.txt").write_text("\n".join(CIFAR_100) + "\n\n")
        for name, count in (("train.bin", train), ("test.bin", test)):
            rows = [
                bytes([0, number]) + self._planes(CIFAR_100[number])
                for _ in range(count)
                for number in range(classes)
            ]
            (folder / name).write_bytes(b"".join(rows))

    def write_cifar_10(self, folder: Path, train: int, test: int) -> None:
        """cifar-10-batches-bin: so many photos of each class."""
        folder.mkdir(parents=True)
        (folder / "batches.meta.txt").write_text("\n".join(CIFAR_10) + "\n\n")
        for name, count in (("data_batch_1.bin", train), ("test_batch.bin", test)):
            rows = [
                bytes([number]) + self._planes(label)
                for _ in range(count)
                for number, label in enumerate(CIFAR_10)
            ]
            (folder / name).write_bytes(b"".join(rows))

    def _planes(self, name: str) -> bytes:
        return self.photo(name, 32).transpose(2, 0, 1).tobytes()

    def write_awa2(self, folder: Path, seen: int, unseen: int, side: int) -> None:
        """Animals_with_Attributes2 without its attributes: so many photos of each class."""
        folder.mkdir(parents=True)
        numbered = [f"{number:6d}\t{name}" for number, name in enumerate(AWA2, start=1)]
        (folder / "classes.txt").write_text("\n".join(numbered) + "\n")
        (folder / "testclasses.txt").write_text("\n".join(AWA2_UNSEEN) + "\n")
        for name in AWA2:
            photos = folder / "JPEGImages" / name
            photos.mkdir(parents=True)
            for number in range(unseen if name in AWA2_UNSEEN else seen):
                image = Image.fromarray(self.photo(name, side))
                image.save(photos / f"{name}_{10001 + number}.jpg", quality=95)


def write_keras_2(path: Path, model: Any, seed: int) -> None:
    """Random weights of a network's body as Keras 2 wrote them, in the names of Caffe's fires."""
    rng = np.random.default_rng(seed)
    layers = [x for x in model.layers if x.weights and x.name != "softmax"]
    names = [x.name.replace("_", "/", 1) if x.name.startswith("fire") else x.name for x in layers]
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in names]
        for name, layer in zip(names, layers, strict=True):
            kernel, bias = (tuple(weight.shape) for weight in layer.weights)
            group = file.create_group(name)
            weights = [f"{name}_W_1:0", f"{name}_b_1:0"]
            group.attrs["weight_names"] = [weight.encode() for weight in weights]
            he = (2.0 / np.prod(kernel[:-1])) ** 0.5  # the signal stays as strong as it was
            if layer is layers[0]:
                he /= 64.0  # pixels come about 0, in [-128, 128]
            group[weights[0]] = rng.normal(0.0, he, kernel).astype(np.float32)
            group[weights[1]] = np.zeros(bias, np.float32)
