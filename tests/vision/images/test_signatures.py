"""What is no photo that is read is named: a user who knows what a file is knows what to do.

The kind of fault: a list of signatures is too short, so that a camera's raw file or a HEIF photo of
another brand is told as "no known format".
"""

import bz2
import gzip
import io
import lzma
import random
import tarfile
import zipfile

import pytest

from devise_lib.reasons import Reason
from devise_lib.vision.images.decode import Refusal, decode, inspect
from tests.crafted import PICTURE, draw_picture, encode


def ftyp(brand: bytes, *others: bytes) -> bytes:
    brands = brand + b"\0\0\0\0" + b"".join(others)
    return (8 + len(brands)).to_bytes(4) + b"ftyp" + brands + bytes(64)


def icon(kind: int) -> bytes:
    return bytes((0, 0, kind, 0, 1, 0, 32, 32, 0, 0, 1, 0, 32, 0)) + bytes(60)


PICTURES = {
    **{
        f"HEIF {brand.decode()}": (ftyp(brand, b"mif1", b"heic"), "HEIF")
        for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevm", b"hevs", b"miaf",
                      b"mif1", b"msf1", b"mif2")
    },
    "HEIF by a compatible brand": (ftyp(b"MiHB", b"MiHE", b"heic"), "HEIF"),
    "CR3": (ftyp(b"crx ", b"isom"), "Canon RAW (CR3)"),
    "JPEG XR": (b"II\xbc\1" + bytes(60), "JPEG XR"),
    "OpenEXR": (b"v/1\1\2\0\0\0" + bytes(60), "OpenEXR"),
    "Radiance": (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 2 +X 2\n", "Radiance HDR"),
    "DDS": (encode(PICTURE, "DDS"), "DDS"),
    "QOI": (encode(PICTURE, "QOI"), "QOI"),
    "XCF": (b"gimp xcf v011\0" + bytes(60), "XCF (GIMP)"),
    "PCX": (encode(PICTURE, "PCX"), "PCX"),
    "PCX, grey": (encode(PICTURE.convert("L"), "PCX"), "PCX"),
    "TGA": (encode(PICTURE, "TGA"), "TGA"),
    "TGA without its footer": (encode(PICTURE, "TGA")[:-26], "TGA"),
    "TGA, packed": (encode(PICTURE, "TGA", compression="tga_rle")[:-26], "TGA"),
    "TGA of a palette": (encode(PICTURE.quantize(16), "TGA")[:-26], "TGA"),
    "TGA, grey": (encode(PICTURE.convert("L"), "TGA")[:-26], "TGA"),
    "SGI": (encode(PICTURE, "SGI"), "SGI"),
    "JPEG XL, bare": (b"\xff\x0a" + bytes(60), "JPEG XL"),
    "cursor": (icon(2), "a cursor"),
    "icon": (icon(1), "an icon"),
    "DICOM": (bytes(128) + b"DICM" + bytes(60), "DICOM"),
    "Fujifilm": (b"FUJIFILMCCD-RAW 0201" + bytes(60), "Fujifilm RAW"),
    "Panasonic": (b"IIU\0\x18\0\0\0" + bytes(60), "Panasonic RAW"),
    "Olympus": (b"IIRO\x08\0\0\0" + bytes(60), "Olympus RAW"),
    "PAM": (b"P7\nWIDTH 2\nHEIGHT 2\nDEPTH 3\nMAXVAL 255\nENDHDR\n" + bytes(12), "PAM"),
    "MNG": (b"\x8aMNG\r\n\x1a\n" + bytes(60), "MNG"),
    "JNG": (b"\x8bJNG\r\n\x1a\n" + bytes(60), "JNG"),
    "EMF": (b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(60), "EMF"),
    "PDF behind blanks": (b"\r\n%PDF-1.4\n", "PDF"),
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_of_a_kind_that_is_not_read_is_named(name):
    content, kind = PICTURES[name]
    answer = decode(content, 32)
    assert answer == Refusal(Reason.UNSUPPORTED_FORMAT, f"{kind} is not read")
    assert inspect(content) == answer


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("photo.jpg", b"photo")
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("photo.jpg"), io.BytesIO())
    return out.getvalue()


HTML = "a page of HTML, not the file; look at it, and fetch the file again"
JSON = "JSON, not a photo; look at it, and fetch the photo again"
OTHERS = {
    "zip": (zipped(), "a zip archive"),
    "gzip": (gzip.compress(b"photo"), "packed with gzip"),
    "bzip2": (bz2.compress(b"photo"), "packed with bzip2"),
    "xz": (lzma.compress(b"photo"), "packed with xz"),
    "zstd": (b"(\xb5/\xfd" + bytes(60), "packed with zstd"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4" + bytes(60), "a 7z archive"),
    "RAR": (b"Rar!\x1a\7\1\0" + bytes(60), "a rar archive"),
    "tar": (tarred(), "a tar archive"),
    "MP4": (ftyp(b"isom", b"avc1", b"mp41"), "a film or sound (MP4's family, b'isom')"),
    "MOV": (ftyp(b"qt  "), "a film or sound (MP4's family, b'qt  ')"),
    "AVI": (b"RIFF\x24\0\0\0AVI LIST" + bytes(60), "a film (AVI)"),
    **{
        f"HTML {page[:9]!r}": (page + b"</html>", HTML)
        for page in (b"<!DOCTYPE html><p>", b"\xef\xbb\xbf\n <!doctype HTML PUBLIC", b"<HTML>")
    },
    "Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n",
        "a pointer of Git LFS, not the file; fetch it with git lfs pull",
    ),
    "JSON": (b' {"error": "not found"}', JSON),
    "JSON, a list": (b'[{"id": 1}]', JSON),
    "JPEG behind a header": (
        b"HTTP/1.1 200 OK\r\n\r\n" + encode(PICTURE, "JPEG"),
        "a file with a JPEG at byte 19; if this is the photo, take it out",
    ),
    "a cover in an MP3": (b"ID3\4\0\0" + bytes(48) + encode(PICTURE, "JPEG"), "a sound (MP3)"),
    "ELF": (b"\x7fELF\2" + bytes(500) + encode(PICTURE, "JPEG"), "a program (ELF)"),
    "WebM": (b"\x1aE\xdf\xa3" + bytes(60), "a film (Matroska or WebM)"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_picture_is_named_where_it_is_known(name):
    content, kind = OTHERS[name]
    answer = decode(content, 32)
    assert answer.reason is Reason.NOT_AN_IMAGE
    assert answer.message.startswith(f"{kind}; starts with b")


def test_an_avif_whose_brand_is_told_second_is_an_avif():
    content = encode(draw_picture(40, 40), "AVIF").replace(b"ftypavif", b"ftypmif1", 1)
    assert not isinstance(decode(content, 32), Refusal)
    assert decode(content[:300], 32).reason is Reason.TRUNCATED


@pytest.mark.parametrize(("flags", "is_tga"), [(0, True), (0x20, True), (0x40, False)])
def test_the_last_byte_of_a_tgas_head_tells_it_from_other_bytes(flags, is_tga):
    """Its upper two bits are zero, and a cursor begins as a TGA does."""
    content = bytearray(encode(PICTURE, "TGA")[:-26])
    content[17] = flags
    told = decode(bytes(content), 32).message
    assert told.startswith("TGA is not read" if is_tga else "a cursor is not read")


def test_text_and_noise_are_not_taken_for_a_picture():
    source = random.Random(6)
    texts = [b"The photo has moved.", b"\n\5 a list", b"\r\nII", b"P7 is a sign", b"DDSX", b"BM is"]
    noise = [source.randbytes(source.randrange(1, 400)) for _ in range(2000)]
    kinds = [decode(content, 32) for content in (*texts, *noise)]
    known = [kind for kind in kinds if kind.reason is Reason.UNSUPPORTED_FORMAT]
    assert len(known) <= 2, known
