"""The formats of word vector files, and how they are recognised.

    word2vec       a line "words dimension"; then per word: the word, a space, float32 bytes
    word2vec_text  the same line; then one line per word with its numbers (also fastText's .vec)
    glove          such lines without a header

In lines of text a word may hold spaces, because its numbers come last.

A header never causes an allocation, one row is held at a time, and no pickle is read.
"""

import codecs
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.text.other_files import other_file

Format = Literal["word2vec", "word2vec_text", "glove"]
FORMATS: tuple[str, ...] = get_args(Format)
HEAD_BYTES = 1 << 20  # of a file, by which its format is recognised
MAX_DIMENSION = 10_000
MAX_WORD_BYTES = 10_000
MAX_LINE_BYTES = 1 << 20  # room for MAX_DIMENSION of the longest numbers, and a word
_CHUNK_BYTES = 1 << 20
_HEADER = re.compile(rb"(\d{1,18})[ \t]+(\d{1,9})[ \t]*\r?\n")
_LINE_END = b"\n"
_BOM = b"\xef\xbb\xbf"
_EXPORT = "export it with KeyedVectors.save_word2vec_format(path, binary=True) and give that file"
_OTHER_VECTORS = {  # first bytes -> the kind of file, and what to do
    b"\x80": f"a pickle (gensim's own format), which could run any code when read; {_EXPORT}",
    b"\x93NUMPY": f"a numpy array (gensim keeps one beside its model), without words; {_EXPORT}",
    b"\xba\x16\x4f\x2f": "fastText's own model; give the .vec file that fastText wrote beside it",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a file; `count` is the number of words by its header, None without a header."""

    format: Format
    dimension: int
    count: int | None


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row as stored in the file; `where` describes its position for messages."""

    where: str
    word: bytes
    vector: NDArray[np.float32]  # (dimension,), all finite


def detect(path: str, head: bytes, wanted: str) -> Layout:
    """Recognises the layout of a file by its first bytes.

    Args:
        path: for messages.
        head: the first bytes, decompressed, at most HEAD_BYTES; the whole file if it is shorter.
        wanted: one of FORMATS, or "auto".

    Raises:
        InputError: the file is no such file, or its header is absurd.
    """
    if wanted not in ("auto", *FORMATS):
        raise InputError(f"format is {wanted!r}, want auto or one of {', '.join(FORMATS)}")
    if not head:
        raise InputError(f"{path} is empty; want a file of word vectors")
    found = (what for start, what in _OTHER_VECTORS.items() if head.startswith(start))
    if what := next(found, None) or other_file(head, "gzip or bzip2"):
        raise InputError(f"{path} is {what}; want a file of word vectors")
    head = head.removeprefix(_BOM)
    header = _HEADER.match(head)
    if wanted == "glove" or (wanted == "auto" and header is None):
        return Layout("glove", _glove_dimension(path, head), None)
    if header is None:
        raise InputError(
            f"{path}, line 1: want the number of words and of numbers per vector, got "
            f"{_seen(head)}; a file without it is format glove"
        )
    count, dimension = int(header[1]), int(header[2])
    if not count or not 1 <= dimension <= MAX_DIMENSION:
        raise InputError(
            f"{path}, line 1: {count} words of {dimension} numbers; want at least 1 word of 1 to "
            f"{MAX_DIMENSION} numbers: the file is damaged or no file of word vectors"
        )
    if wanted == "auto":
        return Layout(_text_or_binary(head, dimension, count), dimension, count)
    return Layout("word2vec" if wanted == "word2vec" else "word2vec_text", dimension, count)


def _glove_dimension(path: str, head: bytes) -> int:
    lines = head.split(b"\n", 100)[:-1]
    numbers = Counter(line.rstrip().count(b" ") for line in lines)
    opening = lines[0].rstrip() if lines else b""
    first = opening.count(b" ")
    # Words with spaces make some lines longer, but never the first, that of the most frequent word.
    dimension = min(numbers, key=lambda n: (-numbers[n], n != first), default=0)
    if not 1 <= dimension <= MAX_DIMENSION or first != dimension:
        raise InputError(
            f"{path}, line 1: want a word and its numbers, as many as in the lines after it "
            f"({dimension}, at most {MAX_DIMENSION}), or the header of word2vec's formats "
            f"(number of words, numbers per vector); got {_seen(head)}"
        )
    return dimension


def _seen(head: bytes) -> str:
    """Returns the first line of a file for a message, if it is text."""
    if _is_text(head):
        return _short(head.partition(_LINE_END)[0] or head)
    return f"bytes that are no text, {head[:20]!r}: the file is damaged, or none of word vectors"


def _text_or_binary(head: bytes, dimension: int, count: int) -> Format:
    """Returns which of the formats with a header a file has; tries both on a small file."""
    layout = Layout("word2vec_text", dimension, count)
    whole = len(head) < HEAD_BYTES
    if _reads(text_rows(io.BytesIO(head), layout, ""), None if whole else 3):
        return "word2vec_text"
    if whole and _reads(binary_rows(io.BytesIO(head), layout, ""), None):
        return "word2vec"
    return "word2vec_text" if _is_text(head) else "word2vec"  # damaged, or large


def _is_text(head: bytes) -> bool:
    """Returns whether bytes may begin a text; the last letter may be incomplete.

    The bytes of floats are full of control characters and of invalid UTF-8.
    """
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return not re.search(rb"[\0-\x08\x0b\x0e-\x1f\x7f]", head)


def _reads(rows: Iterator[RawRow], limit: int | None) -> bool:
    try:
        return all(True for _ in islice(rows, limit))
    except InputError:
        return False


def text_rows(file: BinaryIO, layout: Layout, path: str) -> Iterator[RawRow]:
    """Yields the rows of a text format.

    Raises:
        InputError: a line is damaged; names the line, and what is wanted.
    """
    count, number, rows, blank = layout.count, 0, 0, 0
    while line := file.readline(MAX_LINE_BYTES):
        number += 1
        where = f"{path}, line {number}"
        if number == 1:
            line = line.removeprefix(_BOM)
            if count is not None:
                continue  # the header
        if not line.endswith(b"\n"):
            raise InputError(
                f"{where}: no line end after {len(line)} bytes: the file is cut off or damaged; "
                "fetch it again, or add a line end if it is whole"
            )
        if not line.strip():
            blank = blank or number  # allowed only at the end of the file
            continue
        if blank:
            raise InputError(f"{path}, line {blank} is empty: want a word and its numbers")
        rows += 1
        if count is not None and rows > count:
            raise InputError(f"{where}: more than the {count} words of line 1; {_RIGHT_COUNT}")
        word, vector = _parse_line(line, layout.dimension, where)
        yield RawRow(where, word, vector)
    if count is not None and rows < count:
        raise InputError(
            f"{path} ends after line {number}, with {rows} of the {count} words of line 1: it is "
            f"cut off; {_RIGHT_COUNT}"
        )


_RIGHT_COUNT = "fetch the file again, or write the right number into its first line"


def _parse_line(line: bytes, dimension: int, where: str) -> tuple[bytes, NDArray[np.float32]]:
    """Returns the word, which may hold spaces, and the vector of a line."""
    line = line.rstrip(b" \r\n")  # fastText ends its lines with a space
    word, *fields = line.rsplit(b" ", dimension)
    # A number before the vector is one too many, as in a vector of another length. An integer
    # before fractions belongs to the word, as in "windows 10".
    before = word.rpartition(b" ")[2] if b" " in word else b""
    ends_word = before.isdigit() and any(b"." in field for field in fields)
    if len(fields) != dimension or (_is_number(before) and not ends_word):
        raise InputError(
            f"{where}: {line.count(b' ') + 1} fields, want {dimension + 1}, a word and its numbers "
            f"with one space between; it starts with {line[:60]!r}"
        )
    try:
        if b"_" in line[len(word) :]:
            raise ValueError("Python's numbers may hold _, a file's may not")
        values = np.array([float(field) for field in fields])
    except ValueError:
        wrong = next(field for field in fields if b"_" in field or not _is_number(field))
        raise InputError(
            f"{where}: {_short(wrong)} where a number of the vector of {_short(word)} should be; "
            f"want {dimension} numbers"
        ) from None
    with np.errstate(over="ignore"):  # numbers beyond float32 become infinity; `_finite` refuses it
        return word, _finite(values.astype(np.float32), word, where)


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def binary_rows(file: BinaryIO, layout: Layout, path: str) -> Iterator[RawRow]:
    """Yields the rows of word2vec's binary format.

    Raises:
        InputError: a row is damaged; names the word's number and the byte where it starts.
    """
    count, size = layout.count or 0, 4 * layout.dimension
    base = len(file.readline(MAX_LINE_BYTES))  # offset of the buffer in the file
    buffer, start = b"", 0
    for number in range(1, count + 1):
        while (space := buffer.find(b" ", start)) < 0 or len(buffer) < space + 1 + size:
            if (len(buffer) if space < 0 else space) - start > MAX_WORD_BYTES:
                break
            chunk = file.read(_CHUNK_BYTES)
            if not chunk:
                raise InputError(
                    f"{path} ends at byte {base + len(buffer)}, inside word {number} (from byte "
                    f"{base + start}) of the {count} that line 1 says; fetch the file again"
                )
            base, buffer, start = base + start, buffer[start:] + chunk, 0
        where = f"{path}, word {number}, byte {base + start}"
        word = buffer[start : space if space >= 0 else None].lstrip(b"\n")  # word2vec.c writes one
        if space < 0 or len(word) > MAX_WORD_BYTES or re.search(rb"[\0\t\n\r]", word):
            raise InputError(
                f"{where}: want a word and a space, got {_short(word)}: the file is damaged, or "
                f"its vectors are not of {layout.dimension} float32 numbers; fetch it again"
            )
        vector = np.frombuffer(buffer, "<f4", layout.dimension, space + 1).astype(np.float32)
        yield RawRow(where, word, _finite(vector, word, where))
        start = space + 1 + size
    if (buffer[start:] + file.read(_CHUNK_BYTES)).strip(b"\n"):
        raise InputError(
            f"{path}, byte {base + start}: more than the {count} words of line 1: the file is "
            "damaged, or its first line; fetch it again"
        )


def _finite(vector: NDArray[np.float32], word: bytes, where: str) -> NDArray[np.float32]:
    if not np.isfinite(vector).all():
        wrong = vector[~np.isfinite(vector)][0]
        raise InputError(
            f"{where}: the vector of {_short(word)} holds {wrong}, want finite float32 numbers: "
            "the file is damaged, or its training failed"
        )
    return vector


def _short(data: bytes) -> str:
    return repr(data[:60].decode(errors="replace"))
