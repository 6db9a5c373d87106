"""Reads pretrained word vectors as a stream of rows: word2vec, fastText's .vec, GloVe.

    vectors = read_vectors("glove.6B.300d.txt.gz", max_words=200_000)
    for word, vector in vectors.rows(): ...

Files may be compressed with gzip or bzip2. devise_lib.text.vectors.formats describes the formats.
"""

import bz2
import errno
import gzip
import io
import os
import unicodedata
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.storage.stores import store_files
from devise_lib.text.tokens import lower_case
from devise_lib.text.vectors.formats import (
    FORMATS,
    HEAD_BYTES,
    Format,
    Layout,
    RawRow,
    binary_rows,
    detect,
    text_rows,
)

__all__ = ["FORMATS", "Format", "VectorFile", "read_vectors"]


@dataclass
class VectorFile:
    """A file of word vectors; each call of `rows` opens it again.

    Attributes:
        path: of the file.
        format: word2vec, word2vec_text or glove.
        dimension: the length of a vector.
        count: the number of words by the file's header; None without a header (glove).
        max_words, lower, skip_broken_words: as for `read_vectors`.
        doubled: of the last `rows`, the number of words left out because they had come before.
        broken: of the last `rows`, the number of words left out because they are no UTF-8 or hold
            nothing but white space.
    """

    path: str
    format: Format
    dimension: int
    count: int | None
    max_words: int | None
    lower: bool
    skip_broken_words: bool
    doubled: int = field(default=0, init=False)
    broken: int = field(default=0, init=False)

    def rows(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yields each word once, with its vector (dimension,), in the file's order.

        One vector is held at a time, and all words so far. White space inside a word becomes _, as
        in the phrases of a corpus.

        Raises:
            InputError: the file is damaged; raised after the rows before the damage.
        """
        self.doubled = self.broken = 0
        known: set[str] = set()
        for row in self._raw_rows():
            word = self._word(row)
            if word is None:
                self.broken += 1
            elif word in known:
                self.doubled += 1
            else:
                known.add(word)
                yield word, row.vector
                if len(known) == self.max_words:
                    return
        if not known:
            raise InputError(f"{self.path} holds no word that can be read")

    def _raw_rows(self) -> Iterator[RawRow]:
        layout = Layout(self.format, self.dimension, self.count)
        read = binary_rows if self.format == "word2vec" else text_rows
        with _opened(self.path) as file:
            yield from read(file, layout, self.path)

    def _word(self, row: RawRow) -> str | None:
        """Returns the word of a row; None if it is unreadable and to be left out."""
        try:
            text = row.word.decode()
        except UnicodeDecodeError:
            text = ""
        word = "_".join(text.split())
        if not word or "\0" in word:
            if self.skip_broken_words:
                return None
            raise InputError(
                f"{row.where}: {row.word[:60]!r} is no word in UTF-8; the file is damaged or in "
                "another encoding, or a tool cut the word inside a letter, as word2vec.c does: "
                "then leave out such words with skip_broken_words"
            )
        word = unicodedata.normalize("NFC", word)  # as in corpora and labels
        return lower_case(word) if self.lower else word


def read_vectors(
    path: str,
    format: str = "auto",
    max_words: int | None = None,
    lower: bool = False,
    skip_broken_words: bool = False,
) -> VectorFile:
    """Opens a file of word vectors; reads only its head, and `rows` of the result reads the rest.

    A repeated word is left out and counted. The first one is the more frequent, because files are
    ordered by frequency.

    Args:
        path: of the file, on a disk or a store, plain or compressed with gzip or bzip2; its first
            bytes show which.
        format: word2vec, word2vec_text (fastText's .vec) or glove; "auto" recognises it.
        max_words: read so many words, besides those that are left out; None for all.
        lower: lower-case the words; of those that become equal the first is kept.
        skip_broken_words: leave out and count words that are not UTF-8 or hold nothing but white
            space; by default one is an error. (No text contains a word of invalid letters, and two
            of them may become equal when the letters are replaced.)

    Raises:
        InputError: there is no file, the format is unknown, or the header is absurd. Pickles are
            never read.
    """
    if max_words is not None and max_words < 1:
        raise InputError(f"max_words is {max_words}, want at least 1, or None for all words")
    with _opened(path) as file:
        head = file.read(HEAD_BYTES)
    layout = detect(path, head, format)
    return VectorFile(
        path, layout.format, layout.dimension, layout.count, max_words, lower, skip_broken_words
    )


def _whole(path: str) -> io.BufferedReader:
    """Opens a file of a disk or a store, to be read once from its beginning to its end."""
    files = store_files()
    status = files.status(path)
    if status is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return io.BufferedReader(files.open_range(path, 0, status.size))


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    """Opens a file and decompresses it; converts errors to InputError."""
    try:
        with _whole(path) as file:
            head = file.peek(10)[:10]
            if head.startswith(b"\x1f\x8b"):
                yield cast(BinaryIO, gzip.GzipFile(fileobj=file))
            elif head.startswith(b"BZh") and head[4:] == b"1AY&SY":
                yield cast(BinaryIO, bz2.BZ2File(file))
            else:
                yield cast(BinaryIO, file)
    except (EOFError, OSError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{path}: cannot be read ({reason}); want a file of word vectors, plain or compressed "
            "with gzip or bzip2. If it is cut off, fetch it again"
        ) from None
