import bz2

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devise_lib.storage.files import LOCAL_FILES
from devise_lib.text.wikipedia.streams import (
    Chunk,
    Gap,
    bz2_chunks,
    first_bytes,
    next_stream,
    plain_chunks,
)
from tests.text.wikipedia.dumps import with_another_letter

in_one_folder = settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
contents = st.lists(st.binary(max_size=2000), max_size=6)


@pytest.fixture
def write(tmp_path):
    def write_file(data: bytes) -> str:
        (tmp_path / "f").write_bytes(data)
        return str(tmp_path / "f")

    return write_file


def data_of(pieces) -> bytes:
    return b"".join(piece.data for piece in pieces if isinstance(piece, Chunk))


def gaps_of(pieces) -> list[Gap]:
    return [piece for piece in pieces if isinstance(piece, Gap)]


@in_one_folder
@given(st.binary(max_size=5000), st.integers(0, 5000), st.integers(0, 6000))
def test_gives_the_bytes_of_a_range_and_a_gap_where_the_file_is_shorter(write, data, start, stop):
    path = write(data)
    pieces = list(plain_chunks(LOCAL_FILES, path, start, stop))
    assert data_of(pieces) == data[start:stop]
    assert bool(gaps_of(pieces)) == (max(start, len(data)) < stop)
    assert all(
        piece.offset - piece.origin == len(piece.data) for piece in pieces[:1] if data_of([piece])
    )


@in_one_folder
@given(contents, st.integers(0, 5), st.integers(0, 6))
def test_gives_what_the_streams_of_a_range_hold_each_with_its_stream(write, parts, a, b):
    packed = [bz2.compress(part) for part in parts]
    heads = [len(b"".join(packed[:n])) for n in range(len(parts) + 1)]
    first, last = sorted((a % (len(parts) + 1), b % (len(parts) + 1)))
    path = write(b"".join(packed))
    pieces = list(bz2_chunks(LOCAL_FILES, path, heads[first], heads[last]))
    assert data_of(pieces) == b"".join(parts[first:last])
    assert gaps_of(pieces) == []
    by_stream = {head: part for head, part in zip(heads, parts[:last], strict=False) if part}
    for piece in pieces:
        assert piece.data == by_stream[piece.origin]
        assert piece.origin < piece.offset <= heads[last]


@in_one_folder
@given(contents, st.binary(min_size=1, max_size=50), st.integers(0, 6))
def test_finds_the_next_stream_whose_text_opens_so(write, parts, opening, start):
    opened = [opening + part if n % 2 else part for n, part in enumerate(parts)]
    packed = [bz2.compress(part) for part in opened]
    heads = [len(b"".join(packed[:n])) for n in range(len(parts) + 1)]
    path = write(b"".join(packed))
    start = heads[start % len(heads)]
    want = [
        head
        for head, part in zip(heads, opened, strict=False)
        if head >= start and part and part[:64].lstrip().startswith(opening)
    ]
    assert next_stream(LOCAL_FILES, path, start, heads[-1], opening) == next(iter(want), None)
    if want:
        assert next_stream(LOCAL_FILES, path, start, want[0], opening) is None


def test_finds_a_head_that_lies_over_the_end_of_a_window(write):
    packed = bz2.compress(b"<page>")
    for before in range(2**20 - 12, 2**20 + 3):
        path = write(bytes(before) + packed)
        assert next_stream(LOCAL_FILES, path, 0, before + len(packed), b"<page") == before


def test_gives_no_byte_of_a_block_whose_checksum_is_wrong(write):
    sound = bz2.compress(b"j" * 3_000_000)
    hurt = with_another_letter(sound, 0, "j", "k")
    assert bz2.BZ2Decompressor().decompress(hurt, 1 << 20) == b"k" * (1 << 20)  # libbz2 does
    path = write(hurt + bz2.compress(b"next"))
    pieces = list(bz2_chunks(LOCAL_FILES, path, 0, len(hurt) + len(bz2.compress(b"next"))))
    assert data_of(pieces) == b"next"
    [gap] = gaps_of(pieces)
    assert (gap.start, gap.reason) == (0, "corrupt")


def test_of_a_stream_that_is_cut_off_the_whole_blocks_are_given(write):
    text = b"".join(b"%d words " % (n * n) for n in range(60_000))
    whole = bz2.compress(text, 1)  # blocks of 100,000 bytes
    path = write(whole[: len(whole) // 2])
    pieces = list(bz2_chunks(LOCAL_FILES, path, 0, len(whole) // 2))
    given = data_of(pieces)
    assert text.startswith(given)
    assert len(text) // 2 - 200_000 < len(given) < len(text) // 2 + 200_000
    assert [(gap.start, gap.reason) for gap in gaps_of(pieces)] == [(0, "truncated")]


def test_knows_where_no_stream_starts(write):
    path = write(bz2.compress(b"text") + b"no stream")
    assert first_bytes(LOCAL_FILES, path, 0) == b"text"
    assert first_bytes(LOCAL_FILES, path, len(bz2.compress(b"text"))) is None
    assert first_bytes(LOCAL_FILES, path, 10_000) is None
