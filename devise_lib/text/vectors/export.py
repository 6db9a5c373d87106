"""Writes word vectors as files for other tools: word2vec's binary and text formats, with counts.

`KeyedVectors.load_word2vec_format(path, fvocab=path + ".vocab", binary=...)` reads both. The text
format is also that of fastText's .vec files. Files are replaced atomically.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError

Row = tuple[str, int | None, NDArray[np.float32]]  # word, its count, its vector (vector_size,)


def save_word2vec(rows: Iterable[Row], count: int, vector_size: int, path: str) -> None:
    """Writes `path` in the binary format of word2vec, and the counts in `path`.vocab.

    One row is held at a time. If the rows have no counts, there is no file of counts.

    Args:
        rows: word, count and vector (vector_size,); the most frequent word first, as readers
            expect.
        count: the number of rows, which the format's header needs first.
        vector_size: length of a vector.
        path: the file to write.

    Raises:
        InputError: the number of rows differs from `count`, or only some rows have counts. Or a
            vector has another length or is not finite, or a word holds white space, which the
            format forbids.
    """
    _save(rows, count, vector_size, path, lambda vector: vector.astype("<f4").tobytes())


def save_word2vec_text(rows: Iterable[Row], count: int, vector_size: int, path: str) -> None:
    """Does what `save_word2vec` does, in word2vec's text format, which is that of fastText's .vec
    files.

    Numbers have nine digits, which restore every float32 exactly.
    """
    line = " ".join(["%.9g"] * vector_size) + "\n"
    _save(rows, count, vector_size, path, lambda vector: (line % tuple(vector.tolist())).encode())


def _save(
    rows: Iterable[Row],
    count: int,
    vector_size: int,
    path: str,
    encode: Callable[[NDArray[np.float32]], bytes],
) -> None:
    target, vocabulary = Path(path), Path(f"{path}.vocab")
    drafts = [Path(f"{file}.part") for file in (target, vocabulary)]
    try:
        with drafts[0].open("wb") as vectors, drafts[1].open("w", encoding="utf-8") as counts:
            vectors.write(f"{count} {vector_size}\n".encode())
            written = counted = 0
            for written, (word, word_count, vector) in enumerate(rows, start=1):
                values = np.asarray(vector, dtype=np.float32)
                _check(path, written, word, values, vector_size)
                vectors.write(word.encode() + b" " + encode(values))
                if word_count is not None:
                    counted += 1
                    counts.write(f"{word} {word_count}\n")
        if written != count:
            raise InputError(f"{path}: got {written} words, want the announced {count}")
        if counted not in (0, written):
            raise InputError(f"{path}: {counted} of {written} words have a count, want all or none")
        if counted:
            drafts[1].replace(vocabulary)
        else:
            vocabulary.unlink(missing_ok=True)  # it would be of other vectors
        drafts[0].replace(target)
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)


def _check(path: str, row: int, word: str, vector: NDArray[np.float32], vector_size: int) -> None:
    if vector.shape != (vector_size,) or word.split() != [word]:
        raise InputError(
            f"{path}: row {row} is {word!r} with a vector of length {len(vector)}, "
            f"want a word without white space and a vector of length {vector_size}"
        )
    if not np.isfinite(vector).all():
        raise InputError(f"{path}: the vector of row {row}, {word!r}, holds nan or infinity")
