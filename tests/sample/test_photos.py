"""Photos are a function of seed and number, in many encodings, and show what they should."""

import io
import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from devise_lib.errors import InputError
from devise_lib.sample.photos import ENCODINGS, draw_photo, encode_photo, iter_photos
from devise_lib.sample.things import THINGS
from devise_lib.sample.world import LABELS

TOTAL = 180


@pytest.fixture(scope="module")
def photos() -> list[tuple[str, bytes]]:
    return list(iter_photos(0, TOTAL, TOTAL, seed=1))


def test_the_same_seed_gives_the_same_bytes(photos: list[tuple[str, bytes]]) -> None:
    assert list(iter_photos(0, 40, TOTAL, seed=1)) == photos[:40]
    assert list(iter_photos(0, 5, TOTAL, seed=2)) != photos[:5]


@given(st.lists(st.integers(0, 24), max_size=3).map(sorted))
@settings(max_examples=8, deadline=None)
def test_ranges_put_together_are_the_whole(cuts: list[int]) -> None:
    edges = [0, *cuts, 24]
    ranges = [
        photo for start, stop in pairwise(edges) for photo in iter_photos(start, stop, 24, seed=1)
    ]
    assert ranges == list(iter_photos(0, 24, 24, seed=1))


def test_each_label_has_its_share_and_its_folder(photos: list[tuple[str, bytes]]) -> None:
    paths = [path.split("/") for path, _ in photos]
    assert {parts[0] for parts in paths} == {"photos"}
    assert Counter(parts[1] for parts in paths) == dict.fromkeys(LABELS, TOTAL // len(LABELS))
    assert all(parts[2].startswith(f"{parts[1]}-000") for parts in paths)
    assert len({path for path, _ in photos}) == TOTAL


def test_sizes_are_in_range_in_both_orientations(photos: list[tuple[str, bytes]]) -> None:
    sizes = [Image.open(io.BytesIO(content)).size for _, content in photos]
    assert all(96 <= max(size) <= 640 for size in sizes)
    assert any(width > height for width, height in sizes)
    assert any(width < height for width, height in sizes)
    assert np.median([max(size) for size in sizes]) < 320


def test_a_picture_of_every_thing_can_be_drawn_and_no_two_are_alike() -> None:
    pictures = [draw_photo(thing, random.Random("same")) for thing in THINGS]
    assert len({picture.tobytes() for picture in pictures}) == len(THINGS)
    for thing, picture in zip(THINGS, pictures, strict=True):
        assert np.asarray(picture).std() > 10, thing.label


@pytest.mark.parametrize(
    ("encoding", "fmt", "mode"),
    [
        ("jpeg", "JPEG", "RGB"),
        ("jpeg_rotated", "JPEG", "RGB"),
        ("jpeg_grey", "JPEG", "L"),
        ("jpeg_cmyk", "JPEG", "CMYK"),
        ("png", "PNG", "RGB"),
        ("png_rgba", "PNG", "RGBA"),
        ("png_palette", "PNG", "P"),
        ("png_grey16", "PNG", "I;16"),
        ("webp", "WEBP", "RGB"),
        ("gif", "GIF", "P"),
    ],
)
def test_an_encoding_is_what_it_says(encoding: str, fmt: str, mode: str) -> None:
    content, extension = encode_photo(_draw_sample(), encoding, random.Random(0))
    image = Image.open(io.BytesIO(content))
    image.load()
    assert (image.format, image.mode) == (fmt, mode)
    assert extension.lower().replace("jpg", "jpeg") == fmt.lower()


def test_the_parametrised_encodings_are_all_there_are() -> None:
    assert len(ENCODINGS) == 10
    assert sum(ENCODINGS.values()) == pytest.approx(1)


def test_every_encoding_occurs_in_a_thousand_photos() -> None:
    seen = set()
    for _, content in iter_photos(0, 1000, 1000, seed=0):
        image = Image.open(io.BytesIO(content))
        rotated = image.getexif().get(0x0112, 1) != 1
        seen.add((image.format, image.mode, rotated))
    assert len(seen) == len(ENCODINGS)


@pytest.mark.parametrize("draw", range(6))
def test_a_rotated_photo_is_upright_once_its_tag_is_followed(draw: int) -> None:
    picture = _draw_sample()
    content, _ = encode_photo(picture, "jpeg_rotated", random.Random(draw))
    stored = Image.open(io.BytesIO(content))
    upright = ImageOps.exif_transpose(stored)
    assert upright.size == picture.size
    difference = np.asarray(upright).astype(float) - np.asarray(picture)
    assert np.abs(difference).mean() < 12
    assert np.abs(np.asarray(stored.resize(picture.size)).astype(float) - picture).mean() > 12


@pytest.mark.parametrize(("start", "stop", "total"), [(-1, 2, 9), (3, 2, 9), (0, 10, 9)])
def test_a_range_outside_the_whole_is_refused(start: int, stop: int, total: int) -> None:
    with pytest.raises(InputError, match="start <= stop <= total"):
        iter_photos(start, stop, total, seed=0)


def _draw_sample() -> Image.Image:
    return draw_photo(THINGS[3], random.Random(5))
