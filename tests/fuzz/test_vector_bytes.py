"""Whatever bytes a vector file has, they are rows or an InputError, in bounded time and memory.

What the exports write is read back equal.
"""

import bz2
import gzip
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devise_lib.errors import InputError
from devise_lib.text.vectors.export import save_word2vec, save_word2vec_text
from devise_lib.text.vectors.files import FORMATS, VectorFile, read_vectors
from tests.fuzz.conftest import limits

FORMS = ("auto", *FORMATS)
PACKERS = (lambda data: data, gzip.compress, bz2.compress)

# Words as files have them: of one character or many, of all scripts, with blanks and signs that a
# reader may take for something else, in NFD, and some that are no UTF-8.
ODD = (
    *(b"", b" ", b". . .", b"a b", b"2 3", b"1", b"1.5", b"nan", b"_", b"\t", b"\r", b"\0"),
    *(b"\x1c", b"\x85", b"\xff\xfe", b"caf\xe9", b"e\xcc\x81"),  # no UTF-8; an e and its accent
    *(b"\xc2\xa0", b"\xef\xbb\xbf", b"\xe2\x80\xa8"),  # blanks and a mark that are not ASCII
)
names = st.one_of(
    st.sampled_from(ODD),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=6).map(str.encode),
)
numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
shapes = st.tuples(st.integers(1, 5), st.integers(1, 4))
matrices = arrays(np.float32, shapes, elements=numbers)
any_matrices = arrays(np.float32, shapes, elements=st.floats(width=32))  # also nan and infinity


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A file of one of the formats, whole but for its words and some numbers."""
    matrix = draw(st.one_of(matrices, any_matrices))
    words = draw(st.lists(names, min_size=len(matrix), max_size=len(matrix)))
    rows = zip(words, matrix, strict=True)
    header = f"{len(matrix)} {matrix.shape[1]}\n".encode()
    if draw(st.booleans()):
        end = draw(st.sampled_from([b"", b"\n"]))
        return header + b"".join(word + b" " + row.tobytes() + end for word, row in rows)
    end = draw(st.sampled_from([b"\n", b" \n", b"\r\n"]))
    lines = [word + b" " + " ".join(map(repr, row.tolist())).encode() + end for word, row in rows]
    return (header if draw(st.booleans()) else b"") + b"".join(lines)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Such a file with bytes changed, put in, taken out or doubled, packed before or after it."""
    pack = draw(st.sampled_from(PACKERS))
    packed_first = draw(st.booleans())
    data = bytearray(pack(draw(files())) if packed_first else draw(files()))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        stop = draw(st.integers(start, min(len(data), start + 20)))
        change = draw(st.sampled_from(["put", "cut", "double", "header"]))
        if change == "put":
            data[start:stop] = draw(st.binary(max_size=8))
        elif change == "cut":
            del data[start:stop]
        elif change == "double":
            data[start:start] = data[start:stop]
        else:  # what the first line promises
            data[: data.find(b"\n") + 1] = draw(st.from_regex(rb"\A[0-9]{1,18} [0-9]{1,9}\n\Z"))
    return bytes(data) if packed_first else pack(bytes(data))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vectors"


def rows_or_none(path: Path, form: str, **options: bool) -> tuple[VectorFile, list] | None:
    """What is read of a file; None where an InputError tells that it cannot be."""
    try:
        vectors = read_vectors(str(path), form, **options)
        return vectors, list(vectors.rows())
    except InputError as error:
        message = str(error)
    assert str(path) in message
    assert len(message) < 1_000
    return None


def assert_rows_or_an_input_error(path: Path, data: bytes, form: str, skip: bool) -> None:
    path.write_bytes(data)
    with limits(cpu_seconds=2, mebibytes=64):
        found = rows_or_none(path, form, skip_broken_words=skip, lower=skip)
    if found is None:
        return
    vectors, rows = found
    assert rows
    assert len({word for word, _ in rows}) == len(rows)
    for word, vector in rows:
        assert word.split() == [word]
        assert unicodedata.is_normalized("NFC", word)
        assert vector.shape == (vectors.dimension,)
        assert vector.dtype == np.float32
        assert np.isfinite(vector).all()
    assert vectors.count in (None, len(rows) + vectors.doubled + vectors.broken)


def test_any_bytes_are_rows_or_an_input_error(fuzz, path):
    def check(drawn: tuple[bytes, str, bool]) -> None:
        assert_rows_or_an_input_error(path, *drawn)

    data = st.one_of(files(), damaged(), st.binary(max_size=400))
    fuzz(check, st.tuples(data, st.sampled_from(FORMS), st.booleans()), examples=300)


@pytest.mark.parametrize("pack", PACKERS[1:])
def test_a_small_file_that_unpacks_to_much_is_refused_at_once(path, pack):
    path.write_bytes(pack(bytes(100 << 20)))
    with limits(cpu_seconds=2, mebibytes=32):
        assert rows_or_none(path, "auto") is None


words = (
    st.text(st.characters(exclude_categories=["Cs", "Z"], exclude_characters="\0"), min_size=1)
    .map(lambda text: unicodedata.normalize("NFC", text))
    .filter(lambda text: text.split() == [text])
)


@st.composite
def exports(draw: st.DrawFn) -> tuple[list[str], np.ndarray]:
    matrix = draw(matrices)
    return draw(st.lists(words, min_size=len(matrix), max_size=len(matrix), unique=True)), matrix


@pytest.mark.parametrize("form", ["word2vec", "word2vec_text"])
def test_what_is_exported_is_read_back_equal(fuzz, path, form):
    save = {"word2vec": save_word2vec, "word2vec_text": save_word2vec_text}[form]

    def check(drawn: tuple[list[str], np.ndarray]) -> None:
        names, matrix = drawn
        rows = zip(names, [None] * len(names), matrix, strict=True)
        save(rows, len(matrix), matrix.shape[1], str(path))
        for given in ("auto", form):
            found = rows_or_none(path, given)
            assert found is not None
            vectors, back = found
            assert vectors.format == form
            assert [word for word, _ in back] == names
            assert np.stack([vector for _, vector in back]).tobytes() == matrix.tobytes()

    fuzz(check, exports(), examples=40)
