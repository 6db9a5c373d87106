"""A file that lost its end but no pixel is decoded; one that lost a pixel stays truncated.

The kind of fault: the end mark of a file is missing or displaced while every pixel is there, and
the file is refused as cut.
"""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from devise_lib.reasons import Reason
from devise_lib.vision.images import missing_ends
from devise_lib.vision.images.decode import Refusal, decode, inspect
from devise_lib.vision.images.missing_ends import restore_end
from tests.crafted import draw_picture, draw_rough, encode, jpeg_with, oriented
from tests.fuzz.conftest import limits

PICTURE, ODD = draw_picture(96, 64), draw_picture(61, 43)
JPEGS = {
    "baseline": encode(PICTURE, "JPEG", quality=95, subsampling=0),
    "progressive": encode(PICTURE, "JPEG", quality=95, progressive=True),
    "grey": encode(PICTURE.convert("L"), "JPEG"),
    "CMYK": encode(PICTURE.convert("CMYK"), "JPEG"),
    "colours at half": encode(ODD, "JPEG", quality=60),
    "own tables": encode(ODD, "JPEG", optimize=True),
    "restarts": encode(ODD, "JPEG", restart_marker_blocks=3),
    "restarts, progressive": encode(ODD, "JPEG", restart_marker_rows=1, progressive=True),
    "noise": encode(draw_rough(61, 43), "JPEG", quality=95),
    "a thumbnail": jpeg_with(
        encode(ODD, "JPEG"), 0xE1, b"Exif\0\0II*\0\x08" + bytes(9) + encode(ODD, "JPEG")
    ),
    "turned": encode(ODD, "JPEG", exif=oriented(6)),
}


def is_cut(content: bytes) -> bool:
    answer = decode(content, 32)
    return isinstance(answer, Refusal) and answer.reason is Reason.TRUNCATED


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("behind", [b"", bytes(1), bytes(4096), b"\xff" * 512])
def test_a_jpeg_without_its_end_mark_has_exactly_its_pixels(name, behind):
    """Also where the rest of a card's block stands behind it."""
    whole = JPEGS[name]
    for lost in (1, 2):
        cut = whole[:-lost] + behind
        assert (decode(cut, 64) == decode(whole, 64)).all()
        assert inspect(cut) is None


@pytest.mark.parametrize("within", [False, True])
def test_padding_costs_no_more_than_its_length(within):
    """The kind of fault: a search that begins again at each byte of a run, for hours."""
    whole = JPEGS["noise"]
    place = whole.rindex(b"\xff\xda") + 200 if within else len(whole) - 2
    with limits(cpu_seconds=2, mebibytes=50):
        decode(whole[:place] + b"\xff" * 1_000_000, 64)


@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_cut_within_its_pixels_stays_truncated(name):
    content = JPEGS[name]
    start = content.rindex(b"\xff\xda") + 14
    places = {*range(len(content) - 24, len(content) - 2), *range(start, len(content) - 2, 61)}
    for place in sorted(places):
        assert is_cut(content[:place]), place
        for padding in (bytes(4096), b"\xff" * 512):  # no byte of which is taken for a pixel's
            lost = is_cut(content[:place] + padding)
            # A cut between 255 and the zero that always follows it loses nothing but that zero.
            assert lost or (content[place - 1] == 255 and not padding[0]) == (
                content[place:-2] == b"\0"
            ), place


def test_a_jpeg_whose_last_scan_never_began_stays_truncated():
    """Every byte of what is there is whole, but scans that refine it are missing."""
    content = JPEGS["progressive"]
    scans = [at for at in range(len(content)) if content[at : at + 2] == b"\xff\xda"]
    assert len(scans) > 3
    for at in scans[1:]:
        tables = content.rindex(b"\xff\xc4", 0, at)  # which stand before their scan
        assert is_cut(content[:tables])
        assert is_cut(content[:at])
    interleaved = JPEGS["colours at half"]
    assert is_cut(interleaved[: interleaved.index(b"\xff\xda")])


@pytest.mark.parametrize("number", range(3))
def test_a_jpeg_cut_before_any_mark_of_a_restart_stays_truncated(number):
    content = JPEGS["restarts"]
    at = content.index(bytes((0xFF, 0xD0 + number)))
    for place in (at, at + 1, at + 2):
        assert is_cut(content[:place])


@given(st.sampled_from(sorted(JPEGS)), st.integers(3, 5000), st.sampled_from([b"", bytes(64)]))
def test_no_cut_jpeg_is_completed_with_other_pixels(name, lost, behind):
    content = JPEGS[name]
    whole = restore_end(content[: max(len(content) - lost, 0)] + behind)
    if whole is not None:
        assert (decode(whole, 43) == decode(content, 43)).all()


def test_one_way_to_go_on_is_not_enough_to_tell_a_loss():
    """The bits that a decoder waits for may be those that one piece of noise begins with."""
    content = encode(draw_picture(53, 33), "JPEG", quality=30, progressive=True)
    assert is_cut(content[:-3])
    assert not is_cut(content[:-2])


def test_a_scan_whose_own_last_byte_is_zero_is_whole_without_padding():
    """Some encoders fill the last byte with zeros. Many zeros behind hide where the scan ends."""
    flat = next(
        jpeg
        for side in range(16, 120)
        if (jpeg := encode(Image.new("RGB", (side, side), "teal"), "JPEG"))[-3] in b"\x0f\x3f"
    )
    content = flat[:-3] + b"\0" + flat[-2:]
    assert (decode(content, 16) == decode(flat, 16)).all()
    assert not is_cut(content[:-2])
    assert not is_cut(content[:-2] + bytes(1))
    assert is_cut(content[:-2] + bytes(4096))


def test_a_large_jpeg_without_its_end_mark_costs_little_more_than_its_pixels():
    """The kind of fault: a small file takes a job's time and memory."""
    content = encode(Image.new("RGB", (4000, 2000), "teal"), "JPEG")
    with limits(cpu_seconds=2.0, mebibytes=80.0):
        assert not is_cut(content[:-2])


def test_of_a_jpeg_with_too_many_pixels_no_end_is_added(monkeypatch):
    content = JPEGS["baseline"]
    monkeypatch.setattr(missing_ends, "MOST_PIXELS", 96 * 64)
    assert not is_cut(content[:-2])
    monkeypatch.setattr(missing_ends, "MOST_PIXELS", 96 * 64 - 1)
    assert is_cut(content[:-2])


@pytest.mark.parametrize("options", [{}, {"no_jp2": True}, {"tile_size": (16, 16)}])
def test_a_jpeg_2000_without_its_end_mark_has_exactly_its_pixels(options):
    whole = encode(PICTURE, "JPEG2000", **options)
    assert whole.endswith(b"\xff\xd9")
    for lost in (1, 2):
        assert (decode(whole[:-lost], 64) == decode(whole, 64)).all()
    for lost in range(3, 60):
        assert is_cut(whole[:-lost])
    assert is_cut(whole[: len(whole) // 2])


def test_a_webp_cut_behind_its_picture_has_exactly_its_pixels():
    """An EXIF or XMP chunk is lost, or the byte that makes the last chunk even."""
    exif = oriented(6).tobytes()
    whole = encode(ODD, "WEBP", lossless=True, exif=exif, xmp=b"<x:xmpmeta/>" * 9)
    behind = whole.index(b"EXIF")
    [length] = struct.unpack_from("<I", whole, behind + 4)
    wanted = decode(whole, 32)
    for place in range(behind + 8 + length, len(whole)):
        assert (decode(whole[:place], 32) == wanted).all()
        assert inspect(whole[:place]) is None
    unturned = decode(encode(ODD, "WEBP", lossless=True), 32)
    for place in range(behind, behind + 8 + length):
        assert (decode(whole[:place], 32) == unturned).all()
    for place in range(30, behind - 1):
        assert is_cut(whole[:place])


def test_a_webp_without_its_last_filling_byte_has_exactly_its_pixels():
    odd = next(
        content
        for width in range(20, 60)
        if (content := encode(draw_picture(width, 30), "WEBP", lossless=True))[16] % 2
    )
    assert (decode(odd[:-1], 24) == decode(odd, 24)).all()
    assert is_cut(odd[:-2])


def test_the_first_frame_of_a_cut_animation_is_the_photo():
    others = [Image.new("RGB", ODD.size, colour) for colour in ("blue", "lime")]
    whole = encode(ODD, "WEBP", lossless=True, save_all=True, append_images=others)
    assert (decode(whole[:-3], 32) == decode(whole, 32)).all()


def test_ends_of_other_formats_may_be_missing_too():
    for fmt, lost in {"PNG": 12, "GIF": 2, "BMP": 1}.items():  # IEND, the trailer, a row's filling
        whole = encode(ODD, fmt)
        assert np.array_equal(decode(whole[:-lost], 32), decode(whole, 32))
