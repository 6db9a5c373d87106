"""Each broken file does to Pillow what its reason says."""

import io

import pytest
from PIL import Image, UnidentifiedImageError

from devise_lib.sample.broken import REASONS, iter_broken
from devise_lib.sample.world import LABELS

MAX_PIXELS = 64_000_000
MIN_SIDE = 8
ENDS = {b"\xff\xd8\xff": b"\xff\xd9", b"\x89PNG": b"IEND\xaeB`\x82", b"GIF8": b";", b"II*\0": b""}
FILES = {path.rsplit("/", 1)[1]: (content, reason) for path, content, reason in iter_broken(0)}


def find_reason(content: bytes) -> str:
    """The rules of quarantine, said with Pillow alone: the oracle."""
    if not content:
        return "empty"
    try:
        image = Image.open(io.BytesIO(content))
    except UnidentifiedImageError:
        known = content.startswith((b"%PDF", b"<?xml", b"<svg", b"PK"))
        if any(map(content.startswith, ENDS)):
            return find_damage(content)
        return "unsupported_format" if known else "not_an_image"
    except Image.DecompressionBombError:
        return "too_large"
    except OSError:
        return "decode_error"
    if image.width * image.height > MAX_PIXELS:
        return "too_large"
    if min(image.size) < MIN_SIDE:
        return "too_small"
    try:
        image.load()
    except (OSError, SyntaxError) as error:
        return "truncated" if "truncated" in str(error) else find_damage(content)
    return ""


def find_damage(content: bytes) -> str:
    """Of these plain files the last bytes tell whether the end is there."""
    ends = [end for start, end in ENDS.items() if content.startswith(start)]
    return "decode_error" if all(map(content.endswith, ends)) else "truncated"


@pytest.mark.parametrize("name", FILES)
def test_pillow_agrees_with_the_reason(name: str) -> None:
    content, reason = FILES[name]
    assert find_reason(content) == reason


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pillow_agrees_for_other_seeds_too(seed: int) -> None:
    for path, content, reason in iter_broken(seed):
        assert find_reason(content) == reason, path


def test_the_same_seed_gives_the_same_files() -> None:
    assert list(iter_broken(0)) == list(iter_broken(0))
    assert list(iter_broken(0)) != list(iter_broken(1))


def test_every_reason_occurs_and_one_file_is_good() -> None:
    reasons = [reason for _, reason in FILES.values()]
    assert set(reasons) == {*REASONS, ""}
    assert reasons.count("") == 1
    assert len(FILES) >= 15


def test_broken_files_lie_among_the_photos() -> None:
    for path, _, _ in iter_broken(0):
        photos, label, name = path.split("/")
        assert photos == "photos"
        assert label in LABELS
        assert name.startswith("broken-")


def test_the_bomb_is_small_on_disk() -> None:
    assert len(FILES["broken-bomb.png"][0]) < 1000
