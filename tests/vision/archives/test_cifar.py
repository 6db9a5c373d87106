import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from devise_lib.vision.archives.cifar import FORMATS, decode_records, encode_png, is_for_testing
from devise_lib.vision.images.decode import inspect

seeds = st.integers(0, 2**32 - 1)


def some_records(layout, count: int, seed: int) -> bytes:
    return np.random.default_rng(seed).bytes(count * layout.record_bytes)


def slowly(data: bytes, layout):
    """Each byte looked up where the data set's page says that it is."""
    classes, photos = [], []
    for start in range(0, len(data), layout.record_bytes):
        labels = data[start : start + layout.label_bytes]
        pixels = data[start + layout.label_bytes : start + layout.record_bytes]
        classes.append(labels[-1])
        photos.append(
            [
                [[pixels[1024 * c + 32 * y + x] for c in range(3)] for x in range(32)]
                for y in range(32)
            ]
        )
    return classes, photos


@given(st.sampled_from(FORMATS), st.integers(0, 3), seeds)
def test_each_byte_is_where_the_format_says(layout, count, seed):
    data = some_records(layout, count, seed)
    classes, photos = decode_records(data, layout)
    assert photos.shape == (count, 32, 32, 3)
    wanted, pixels = slowly(data, layout)
    assert (classes.tolist(), photos.tolist()) == (wanted, pixels)


def test_the_records_are_as_long_as_the_page_says():
    assert [layout.record_bytes for layout in FORMATS] == [3073, 3074]


@given(st.sampled_from(FORMATS), st.integers(1, 3000))
def test_no_part_of_a_record_is_taken_for_one(layout, rest):
    with pytest.raises(ValueError, match=f"{rest} bytes are no whole number of records"):
        decode_records(b"x" * rest, layout)


@given(seeds)
def test_a_png_has_the_same_pixels_and_passes_as_a_photo(seed):
    _, [pixels] = decode_records(some_records(FORMATS[1], 1, seed), FORMATS[1])
    png = encode_png(pixels)
    with Image.open(io.BytesIO(png)) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        np.testing.assert_array_equal(np.asarray(image), pixels)
    assert inspect(png) is None
    assert encode_png(pixels) == png


@pytest.mark.parametrize(
    ("name", "testing"),
    [
        ("test.bin", True),
        ("test_batch.bin", True),
        ("train.bin", False),
        ("data_batch_5.bin", False),
    ],
)
def test_the_file_tells_what_its_records_are_for(name, testing):
    assert is_for_testing(name) == testing
