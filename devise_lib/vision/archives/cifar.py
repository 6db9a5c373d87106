"""CIFAR-10 and CIFAR-100 in their binary version: records of labels and pixels.

Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009;
https://www.cs.toronto.edu/~kriz/cifar.html. A record of CIFAR-10 is a label and 3,072 pixel bytes;
of CIFAR-100 a coarse label, a fine label and the same. Pixels are three planes (red, green, blue)
of 32 x 32, row by row. Nothing stands before, between or after the records.
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 32
CHANNELS = 3
PIXEL_BYTES = CHANNELS * SIDE * SIDE


@dataclass(frozen=True)
class CifarFormat:
    """One of the two data sets.

    Attributes:
        title: as it is called.
        names_file: the file of its class names, by number.
        label_bytes: before the pixels of a record; the last one is the class.
    """

    title: str
    names_file: str
    label_bytes: int

    @property
    def record_bytes(self) -> int:
        """Length of a record."""
        return self.label_bytes + PIXEL_BYTES


FORMATS = (
    CifarFormat("CIFAR-10", "batches.meta.txt", 1),
    CifarFormat("CIFAR-100", "fine_label_names.txt", 2),
)


def decode_records(data: bytes, layout: CifarFormat) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Whole records to classes and pixels.

    Returns:
        The numbers of the classes (n,), and RGB (n, 32, 32, 3) in [0, 255].

    Raises:
        ValueError: the length is no multiple of a record's.
    """
    if len(data) % layout.record_bytes:
        raise ValueError(
            f"{len(data)} bytes are no whole number of records of {layout.record_bytes}"
        )
    records = np.frombuffer(data, dtype=np.uint8).reshape(-1, layout.record_bytes)
    planes = records[:, layout.label_bytes :].reshape(-1, CHANNELS, SIDE, SIDE)
    return records[:, layout.label_bytes - 1], planes.transpose(0, 2, 3, 1)


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """RGB pixels (height, width, 3) as a PNG, without loss.

    Not compressed: 32 x 32 pixels gain little, and so the same pixels are the same bytes whatever
    zlib there is; by the digest of its bytes a photo is known to be unchanged.
    """
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def is_for_testing(file_name: str) -> bool:
    """Whether a file holds the records that the data set is tested with: test.bin, test_batch.bin.

    The others, train.bin and data_batch_1.bin to data_batch_5.bin, are for training.
    """
    return file_name.startswith("test")
