"""CIFAR-10 and CIFAR-100 in their binary version: records of labels and pixels.

A record of CIFAR-10 is one label byte and 3,072 pixel bytes. A record of CIFAR-100 is a coarse
label, a fine label and the same pixel bytes. The pixels are three planes (red, green, blue) of 32 x
32, row by row. A file holds nothing but records.

Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009;
https://www.cs.toronto.edu/~kriz/cifar.html.
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
    """The record format of one of the two data sets.

    Attributes:
        title: the name of the data set.
        names_file: the file of its class names, one per line in the order of their numbers.
        label_bytes: the bytes before the pixels of a record; the last of them is the class.
    """

    title: str
    names_file: str
    label_bytes: int

    @property
    def record_bytes(self) -> int:
        """The length of a record in bytes."""
        return self.label_bytes + PIXEL_BYTES


FORMATS = (
    CifarFormat("CIFAR-10", "batches.meta.txt", 1),
    CifarFormat("CIFAR-100", "fine_label_names.txt", 2),
)


def decode_records(data: bytes, layout: CifarFormat) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Decodes whole records to classes and pixels.

    Args:
        data: the bytes of any number of records.
        layout: their format.

    Returns:
        The class numbers (n,), and RGB pixels (n, 32, 32, 3) in [0, 255].

    Raises:
        ValueError: the length is no multiple of a record's.
    """
    if len(data) % layout.record_bytes:
        raise ValueError(
            f"{len(data)} bytes are no whole number of records of {layout.record_bytes} bytes"
        )
    records = np.frombuffer(data, dtype=np.uint8).reshape(-1, layout.record_bytes)
    planes = records[:, layout.label_bytes :].reshape(-1, CHANNELS, SIDE, SIDE)
    return records[:, layout.label_bytes - 1], planes.transpose(0, 2, 3, 1)


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encodes RGB pixels (height, width, 3) as a PNG, without loss and without compression.

    The same pixels give the same bytes with every version of zlib. This matters because the digest
    of a photo's bytes tells whether the photo changed. Compression would gain little for 32 x 32
    pixels.
    """
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def is_for_testing(file_name: str) -> bool:
    """Returns whether a file holds the data set's test records: test.bin or test_batch.bin.

    The other files, train.bin and data_batch_1.bin to data_batch_5.bin, hold training records.
    """
    return file_name.startswith("test")
