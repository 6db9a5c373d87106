"""Each crafted photo becomes its picture or ends with its reason; so does any damage to one."""

import random
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devise_lib.reasons import Reason
from devise_lib.vision.images.decode import Refusal, decode, inspect
from tests.conftest import run_program
from tests.crafted import CRAFTED, SIZE, WHOLE

GOOD = [name for name, crafted in CRAFTED.items() if crafted.reason is None]
BAD = [name for name, crafted in CRAFTED.items() if crafted.reason is not None]

# What Pillow and libtiff say on stderr of a damaged directory is not what is tested.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.mark.parametrize("name", GOOD)
def test_a_good_one_becomes_its_picture(name):
    crafted = CRAFTED[name]
    assert inspect(crafted.content) is None
    pixels = decode(crafted.content, SIZE)
    assert not isinstance(pixels, Refusal), pixels
    assert (pixels.shape, pixels.dtype) == ((SIZE, SIZE, 3), np.uint8)
    assert np.abs(pixels - crafted.pixels()).mean() <= crafted.tolerance


@pytest.mark.parametrize("name", BAD)
def test_a_broken_one_ends_with_its_reason_where_it_can_first_be_known(name):
    crafted = CRAFTED[name]
    answer = decode(crafted.content, SIZE)
    assert isinstance(answer, Refusal)
    assert answer.reason is crafted.reason, answer.message
    assert answer.message
    assert inspect(crafted.content) == (answer if crafted.at_ingest else None)


def test_a_wrong_turn_or_colour_would_be_seen():
    worst = max(crafted.tolerance for crafted in CRAFTED.values())
    drawn = CRAFTED["photo.png"].pixels()
    for wrong in (drawn[::-1], drawn[:, ::-1], drawn.swapaxes(0, 1), drawn[..., ::-1], 255 - drawn):
        assert np.abs(drawn - wrong).mean() > 5 * worst


@pytest.mark.parametrize("name", WHOLE)
def test_a_photo_cut_anywhere_is_truncated_unless_its_pixels_are_all_there(name):
    content = WHOLE[name]
    whole = decode(content, SIZE)
    places = {*range(1, 60), *range(60, len(content), 37), *range(len(content) - 40, len(content))}
    for place in sorted(places - {0}):
        answer = decode(content[:place], SIZE)
        if not isinstance(answer, Refusal):
            assert place >= len(content) - 20  # checksums and the mark of the end
            assert (answer == whole).all()
        elif answer.reason is Reason.NOT_AN_IMAGE:
            assert place < 18  # the format cannot be told by so few bytes
        else:
            assert answer.reason is Reason.TRUNCATED, (place, answer.message)


@pytest.mark.parametrize("place", range(41, len(WHOLE["photo.png"]) - 12))
def test_no_changed_byte_of_the_pixels_of_a_png_is_overlooked(place):
    content = bytearray(WHOLE["photo.png"])
    content[place] ^= 0x20
    answer = decode(bytes(content), SIZE)
    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.DECODE_ERROR


LIMITED = """
import resource, sys
from pathlib import Path
from devise_lib.vision.images.decode import Refusal, decode
from tests.crafted import CRAFTED

name, spare_bytes, max_pixels = sys.argv[1], *map(int, sys.argv[2:])
bombs = [name] if name in CRAFTED else [bomb for bomb in CRAFTED if bomb.startswith(name)]
decode(CRAFTED["photo.png"].content, 32)
held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + spare_bytes,) * 2)
for bomb in bombs:
    answer = decode(CRAFTED[bomb].content, 32, max_pixels)
    assert isinstance(answer, Refusal)
    print(bomb, answer.reason, answer.message)
"""


def decode_in(spare_bytes: int, name: str, max_pixels: int) -> dict[str, list[str]]:
    """Reason and message of each bomb, in a process that may take so many bytes more."""
    done = run_program("-c", LIMITED, name, str(spare_bytes), str(max_pixels))
    assert done.returncode == 0, done.stderr
    lines = (line.split(" ", 2) for line in done.stdout.splitlines())
    return {bomb: answer for bomb, *answer in lines}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_bombs_are_refused_in_little_memory():
    answers = decode_in(64 << 20, "bomb", 64_000_000)
    assert len(answers) >= 12
    for name, (reason, message) in answers.items():
        assert reason == CRAFTED[name].reason, message
    # Where the limit allows them they take what they promise, which is more than there is.
    for name, complaint in {"bomb.png": "MemoryError", "bomb-by-tile.tif": "error -9"}.items():
        [(reason, message)] = decode_in(64 << 20, name, 10**12).values()
        assert reason == Reason.DECODE_ERROR
        assert complaint in message


@st.composite
def damaged_files(draw):
    """A crafted file with bytes changed, lost, put in, or the end of another behind its start."""
    name = draw(st.sampled_from(sorted(CRAFTED)))
    content = bytearray(CRAFTED[name].content)
    # One seed for all the damage: hypothesis would spend most of its time on the places.
    source = random.Random(draw(st.integers(0, 2**32)))
    for _ in range(draw(st.integers(1, 6))):
        at = source.randrange(min(len(content), source.choice((60, 1000, 10**9))) or 1)
        many = source.choice((1, 1, 4, 50))
        match source.randrange(5):
            case 0 | 1:
                content[at : at + many] = source.randbytes(many)
            case 2:
                content[at : at + 4] = source.choice(
                    (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff")
                )
            case 3:
                del content[at : at + many]
            case 4:
                other = CRAFTED[source.choice(sorted(CRAFTED))].content
                content[at:] = other[source.randrange(len(other) or 1) :][:20_000]
    return bytes(content)


@settings(max_examples=400)
@given(damaged_files())
def test_any_damage_ends_in_a_photo_or_a_refusal_and_both_passes_agree(content):
    header, answer = inspect(content), decode(content, 16)
    if isinstance(answer, Refusal):
        assert isinstance(answer.reason, Reason)
        assert answer.message
        assert header in (None, answer)
    else:
        assert (answer.shape, answer.dtype) == ((16, 16, 3), np.uint8)
        assert header is None
