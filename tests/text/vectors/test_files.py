"""Readers of word vectors, against gensim's own and against what was written by hand."""

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import tracemalloc
import unicodedata
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devise_lib.errors import InputError
from devise_lib.text.vectors.files import read_vectors

PACKERS = {"": lambda data: data, ".gz": gzip.compress, ".bz2": bz2.compress}
numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
matrices = arrays(np.float32, st.tuples(st.integers(1, 7), st.integers(1, 5)), elements=numbers)
word = st.text(
    st.characters(categories=["L", "N", "P", "S"], codec="utf-8"), min_size=1, max_size=9
).map(lambda text: unicodedata.normalize("NFC", text))  # others come back in it
in_a_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def rows_of(path, **options):
    return [(word, vector.tolist()) for word, vector in read_vectors(str(path), **options).rows()]


def file_of(folder, data, name="v"):
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def gensim_file(folder, words, matrix, binary, packing=""):
    """A file written by gensim; and its rows as gensim reads them again."""
    vectors = KeyedVectors(matrix.shape[1])
    vectors.add_vectors(words, matrix)
    plain = folder / "plain"
    vectors.save_word2vec_format(str(plain), binary=binary)
    read = KeyedVectors.load_word2vec_format(str(plain), binary=binary)
    rows = [(w, v.tolist()) for w, v in zip(read.index_to_key, read.vectors, strict=True)]
    return file_of(folder, PACKERS[packing](plain.read_bytes())), rows


@in_a_folder
@pytest.mark.parametrize("binary", [True, False])
@given(matrix=matrices, data=st.data(), packing=st.sampled_from(list(PACKERS)))
def test_reads_what_gensim_writes_as_gensim_reads_it(tmp_path, binary, matrix, data, packing):
    n = len(matrix)
    words = data.draw(st.lists(word, min_size=n, max_size=n, unique=True))
    path, wanted = gensim_file(tmp_path, words, matrix, binary, packing)
    found = read_vectors(str(path))
    assert (found.format, found.dimension, found.count) == (
        "word2vec" if binary else "word2vec_text",
        matrix.shape[1],
        n,
    )
    assert rows_of(path) == wanted
    assert (found.doubled, found.broken) == (0, 0)


@in_a_folder
@given(matrix=matrices, data=st.data(), packing=st.sampled_from(list(PACKERS)))
def test_reads_glove_files_whose_words_may_be_several(tmp_path, matrix, data, packing):
    phrase = st.lists(word.filter(lambda w: not is_number(w)), min_size=1, max_size=3)
    n = len(matrix)
    phrases = data.draw(st.lists(phrase, min_size=n, max_size=n, unique_by=tuple))
    phrases.sort(key=len)  # the first lines of a file are its commonest words
    phrases[0] = phrases[0][:1]
    lines = [" ".join([*p, *map(repr, v.tolist())]) for p, v in zip(phrases, matrix, strict=True)]
    text = "".join(f"{line}\n" for line in lines)
    if sum(len(p) == 1 for p in phrases) * 2 <= n:  # then the commonest length may be another
        text = "".join(f"w{i} {'1 ' * matrix.shape[1]}\n" for i in range(n)) + text
    path = file_of(tmp_path, PACKERS[packing](text.encode()))
    found = read_vectors(str(path))
    assert (found.format, found.dimension, found.count) == ("glove", matrix.shape[1], None)
    wanted = {}
    for p, v in zip(phrases, matrix, strict=True):
        wanted.setdefault("_".join(p), v.tolist())
    assert rows_of(path)[-len(wanted) :] == list(wanted.items())


def is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


GLOVE = ", 1 2\n. 3 4\nat name@domain.com 5 6\n. . . 7 8\n1.5 9 10\n"
GLOVE_ROWS = [
    (",", [1, 2]),
    (".", [3, 4]),
    ("at_name@domain.com", [5, 6]),
    ("._._.", [7, 8]),
    ("1.5", [9, 10]),
]


def test_a_words_own_spaces_become_underscores_as_in_phrases(tmp_path):
    assert rows_of(file_of(tmp_path, GLOVE)) == GLOVE_ROWS


@pytest.mark.parametrize(
    "data",
    [
        "2 3\nsea 1 2 3 \nland -1e-3 .5 0 \n",  # fastText ends lines with a space
        "2 3\r\nsea 1 2 3\r\nland -1e-3 .5 0\r\n",
        "\ufeff2 3\nsea 1 2 3\nland -1e-3 .5 0\n\n\n",
        "2\t3\nsea 1 2 3\nland -0.001 0.5 -0\n",
        b"2 3\n" + b"".join(  # word2vec.c ends its rows with a line end
            name + np.array(vector, "<f4").tobytes() + b"\n"
            for name, vector in ((b"sea ", [1, 2, 3]), (b"land ", [-1e-3, 0.5, 0]))
        ),
    ],
)  # fmt: skip
def test_reads_the_dialects_of_other_tools(tmp_path, data):
    [(first, one), (second, other)] = rows_of(file_of(tmp_path, data))
    assert (first, second, one) == ("sea", "land", [1, 2, 3])
    assert other == [np.float32(-1e-3), 0.5, 0]


def test_words_may_hold_blanks_below_a_header_too(tmp_path):
    """The kind of fault: a whole, published file is refused for words that a reader can tell."""
    text = "4 3\nthe 0.1 0.2 0.3 \n. . . 0.4 0.5 0.6 \nmy name 1 1 1 \nend 0 0 1 \n"
    assert [w for w, _ in rows_of(file_of(tmp_path, text))] == ["the", "._._.", "my_name", "end"]
    number = file_of(tmp_path, "2 3\nthe 0.1 0.2 0.3\nwindows 10 0.1 0.2 0.3\n")
    assert [w for w, _ in rows_of(number)] == ["the", "windows_10"]
    with pytest.raises(InputError, match="line 3: 5 fields, want 4"):  # a vector too long
        rows_of(file_of(tmp_path, "2 3\nthe 0.1 0.2 0.3\nsea 0.4 0.1 0.2 0.3\n"))
    blank = file_of(tmp_path, "3 3\nthe 1 2 3\n  1 1 1\nend 0 0 1\n")
    with pytest.raises(InputError, match=r"line 3: b' ' is no word.*skip_broken_words"):
        rows_of(blank)
    vectors = read_vectors(str(blank), skip_broken_words=True)
    assert [w for w, _ in vectors.rows()] == ["the", "end"]
    assert vectors.broken == 1


def tar_of(data):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("vectors.txt")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lzma.compress(b"a 1\n"), "is packed with xz; unpack it"),
        (b"\x28\xb5\x2f\xfdrest", "is packed with zstd; unpack it"),
        (b"7z\xbc\xaf\x27\x1crest", "is a 7z archive; unpack it"),
        (b"Rar!\x1a\x07\x01\x00rest", "is a rar archive; unpack it"),
        (b"\x04\x22\x4d\x18rest", "is packed with lz4; unpack it"),
        (b"\x1f\x9d\x90rest", r"is packed with compress \(.Z\); unpack it"),
        (tar_of(b"a 1\n"), "is a tar archive; unpack it"),
        (gzip.compress(tar_of(b"a 1\n"), mtime=0), "is a tar archive; unpack it"),
        (
            gzip.compress(gzip.compress(b"a 1\n", mtime=0), mtime=0),
            "is packed with gzip within another packing",
        ),
        (bz2.compress(lzma.compress(b"a 1\n")), "is packed with xz; unpack it"),
        ("1 2\nsea 1 2\n".encode("utf-32"), "is text in UTF-32; write it in UTF-8"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "pointer of Git LFS"),
        (b"<!DOCTYPE html><html>", "is a page of HTML, not the file"),
        (b"\x89HDF\r\n\x1a\nrest", "is an HDF5 file"),
        (b"\x00\x01\x02rest", r"got bytes that are no text, b'\\x00\\x01\\x02rest'"),
        # cut off, without a line end behind the header
        (b"2 2\nsea " + bytes([1, 2, 3, 60] * 2) + b"land \1", "ends at byte 22, inside word 2"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path, data, message):
    """The kind of fault: what a file is was told by exclusion, so the message named another."""
    with pytest.raises(InputError, match=message):
        rows_of(file_of(tmp_path, data))


def test_rows_can_be_read_again_and_counts_start_anew(tmp_path):
    vectors = read_vectors(str(file_of(tmp_path, "a 1\nb 2\na 3\n")))
    for _ in range(2):
        assert [w for w, _ in vectors.rows()] == ["a", "b"]
        assert vectors.doubled == 1


def test_of_words_that_come_again_the_first_counts_and_the_others_are_counted(tmp_path):
    path = file_of(tmp_path, "6 1\nThe 1\nthe 2\nsea 3\nthe 4\nSEA 5\nÄsche 6\n")
    vectors = read_vectors(str(path))
    assert [(w, v[0]) for w, v in vectors.rows()] == [
        ("The", 1), ("the", 2), ("sea", 3), ("SEA", 5), ("Äsche", 6)
    ]  # fmt: skip
    assert vectors.doubled == 1
    vectors = read_vectors(str(path), lower=True)
    assert [(w, v[0]) for w, v in vectors.rows()] == [("the", 1), ("sea", 3), ("äsche", 6)]
    assert vectors.doubled == 3


def test_the_first_words_alone_are_read_and_what_follows_may_be_damaged(tmp_path):
    path = file_of(tmp_path, "6 1\nA 1\na 2\nb 3\nc 4\nd five\n")
    assert [w for w, _ in rows_of(path, max_words=3)] == ["A", "a", "b"]
    assert [w for w, _ in rows_of(path, max_words=3, lower=True)] == ["a", "b", "c"]
    with pytest.raises(InputError, match="'five'"):
        rows_of(path, max_words=5)
    with pytest.raises(InputError, match="max_words is 0, want at least 1"):
        rows_of(path, max_words=0)


@pytest.mark.parametrize("name", [b"\xc3", b"caf\xe9", "\u00a0\u2003".encode()])
@pytest.mark.parametrize("binary", [True, False])
def test_words_that_nobody_can_ask_for_are_an_error_or_left_out_and_counted(tmp_path, name, binary):
    def row(word):
        return word + b" " + (np.array([1, 2], "<f4").tobytes() if binary else b"1 2\n")

    path = file_of(tmp_path, b"3 2\n" + row(b"a") + row(name) + row(b"b"))
    place = "word 2, byte 14" if binary else "line 3"
    with pytest.raises(InputError, match=f"v, {place}: .* is no word in UTF-8.*skip_broken_words"):
        rows_of(path)
    vectors = read_vectors(str(path), skip_broken_words=True)
    assert [w for w, _ in vectors.rows()] == ["a", "b"]
    assert (vectors.broken, vectors.doubled) == (1, 0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "is empty"),
        ("\n", "line 1: want a word and its numbers"),
        ("sea\n", "line 1: want a word and its numbers"),
        ("sea 1 2\nland 1 2 3\nsky 1 2 3\n", "line 1: want a word and its numbers"),
        ("sea 1 2", "line 1: want a word and its numbers"),
        ("0 3\n", "line 1: 0 words of 3 numbers; want at least 1 word of 1 to 10000"),
        ("3 0\na\n", "line 1: 3 words of 0 numbers"),
        ("3 99999999\n", "line 1: 3 words of 99999999 numbers; want .* of 1 to 10000"),
        ("2 2\nsea 1 2\nland 1\n", "line 3: 2 fields, want 3, a word and its numbers"),
        ("2 2\nsea 1 2\nland 1 2 3\n", "line 3: 4 fields, want 3"),
        ("2 2\nsea\t1\t2\nland\t1\t2\n", "line 2: 1 fields, want 3, .* one space between"),
        ("sea 1 2\nland 1 2 3\n", "line 2: 4 fields, want 3"),  # of GloVe's: not a word "land 1"
        ("sea 1 2\nland 1\n", "line 2: 2 fields, want 3"),
        ("2 2\nsea 1 2\nland 1 x2\n", "line 3: 'x2' where a number of the vector of 'land'"),
        ("2 2\nsea 1 2\nland 1  2\n", "line 3: 4 fields"),
        ("sea 1 2\nland side 2\n", "line 2: 'side' where a number of the vector of 'land'"),
        ("2 2\nsea 1 2\nland 1 1_0\n", "line 3: '1_0' where a number"),
        ("2 2\nsea 1 2\nland 1 nan\n", "line 3: the vector of 'land' holds nan, want finite"),
        ("2 2\nsea 1 -inf\nland 1 2\n", "line 2: the vector of 'sea' holds -inf"),
        ("2 2\nsea 1 1e39\nland 1 2\n", "line 2: the vector of 'sea' holds inf"),
        ("2 2\nsea 1 2\n 1 2\n", "line 3: b'' is no word"),
        ("2 2\nsea 1 2\n\nland 1 2\n", "line 3 is empty"),
        ("2 2\nsea 1 2\nland 1 2", "line 3: no line end after 8 bytes: the file is cut off"),
        ("3 2\nsea 1 2\nland 1 2\n", "ends after line 3, with 2 of the 3 words of line 1"),
        ("1 2\nsea 1 2\nland 1 2\n", "line 3: more than the 1 words of line 1"),
        ("2 2\nsea 1 2\nla\0nd 1 2\n", "line 3: .* is no word"),
        ("1 2\nsea 1 2\n".encode("utf-16"), "is text in UTF-16; write it in UTF-8"),
    ],
)
def test_a_damaged_text_is_told_with_its_line_and_what_was_wanted(tmp_path, data, message):
    with pytest.raises(InputError, match=f"v(, | ){message}"):
        rows_of(file_of(tmp_path, data))


def binary(*rows, header=b"2 2\n"):
    return header + b"".join(w + b" " + np.array(v, "<f4").tobytes() for w, v in rows)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (binary((b"sea", [1, 2])), "ends at byte 16, inside word 2 .from byte 16. of the 2 that"),
        (binary((b"sea", [1, 2]), (b"land", [3])), "ends at byte 25, inside word 2 .from byte 16"),
        (
            binary((b"sea", [1, 2]), (b"land", [3, 4]), (b"x", [5, 6])),
            "byte 29: more than the 2 words",
        ),
        (binary((b"sea", [1, 2]), (b"land", [3, np.nan])), "word 2, byte 16: .*'land' holds nan"),
        (binary((b"sea", [1, 2]), (b"land", [np.inf, 4])), "word 2, byte 16: .*'land' holds inf"),
        (binary((b"sea", [1, 2]), (b"", [3, 4])), "word 2, byte 16: b'' is no word"),
        (binary((b"sea", [1, 2]), (b"la\0nd", [3, 4])), "word 2, byte 16: want a word and a space"),
        (binary((b"sea", [1, 2]), (b"la\nnd", [3, 4])), "word 2, byte 16: want a word and a space"),
        (
            binary((b"sea", [1, 2]), (b"x" * 10_001, [3, 4])),
            "word 2, byte 16: want a word and a spa",
        ),
        (
            binary((b"sea", [1, 2])) + bytes([65]) * 9_999_999,
            "word 2, byte 16: want a word and a sp",
        ),
    ],
)
def test_a_damaged_binary_file_is_told_with_the_byte(tmp_path, data, message):
    with pytest.raises(InputError, match=f"v(, | ){message}"):
        rows_of(file_of(tmp_path, data), format="word2vec")


def test_a_file_whose_bytes_look_like_text_is_read_as_what_fits_to_its_end(tmp_path):
    data = b"1 1\nsea 9\nE["  # the float32 5.5e16
    assert rows_of(file_of(tmp_path, data)) == [("sea", [np.frombuffer(b"9\nE[", "<f4")[0]])]
    assert rows_of(file_of(tmp_path, "1 1\nsea 1.25\n")) == [("sea", [1.25])]  # also four bytes


def test_the_format_may_be_given_where_the_file_could_be_two(tmp_path):
    path = file_of(tmp_path, "2 1\n3 4\n5 6\n")
    assert rows_of(path) == [("3", [4]), ("5", [6])]
    assert rows_of(path, format="glove") == [("2", [1]), ("3", [4]), ("5", [6])]
    with pytest.raises(InputError, match="format is 'GloVe', want auto or one of word2vec, word2v"):
        rows_of(path, format="GloVe")
    with pytest.raises(InputError, match="line 1: want the number of words and of numbers per vec"):
        rows_of(file_of(tmp_path, GLOVE), format="word2vec_text")
    damaged = file_of(tmp_path, "2 2\nsea 1 2\nland 1 \0\n")  # as if it were binary
    with pytest.raises(InputError, match=r"line 3: '\\x00' where a number of the vector of 'land'"):
        rows_of(damaged, format="word2vec_text")


class Trap:
    """Unpickling it would make a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("packing", list(PACKERS))
def test_a_pickle_is_refused_unread(tmp_path, packing):
    sprung = tmp_path / "sprung"
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        data = PACKERS[packing](pickle.dumps(Trap(sprung), protocol))
        with pytest.raises(InputError, match=r"is a pickle .*KeyedVectors\.save_word2vec_format"):
            rows_of(file_of(tmp_path, data))
    old = file_of(tmp_path, pickle.dumps(Trap(sprung), 0))
    for form in ("auto", "word2vec", "word2vec_text", "glove"):
        with pytest.raises(InputError):
            rows_of(old, format=form)
    assert not sprung.exists()


def test_gensims_own_files_and_archives_are_refused_by_name(tmp_path):
    vectors = KeyedVectors(2)
    vectors.add_vectors(["a"], np.ones((1, 2), np.float32))
    vectors.save(str(tmp_path / "v"))
    with pytest.raises(InputError, match="is a pickle"):
        rows_of(tmp_path / "v")
    np.save(tmp_path / "v.npy", vectors.vectors)
    with pytest.raises(InputError, match="is a numpy array"):
        rows_of(tmp_path / "v.npy")
    with pytest.raises(InputError, match="is a zip archive; unpack it"):
        rows_of(file_of(tmp_path, b"PK\x03\x04rest"))
    with pytest.raises(InputError, match=r"is fastText's own model; give the \.vec"):
        rows_of(file_of(tmp_path, (793712314).to_bytes(4, "little") + b"rest"))


def test_a_file_that_is_not_there_is_told(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match=f"{path}: cannot be read .*want a file of word vecto"):
            read_vectors(str(path))


FILES = {
    "word2vec": binary(*((f"wört{i}".encode(), [i / 7, -i]) for i in range(9)), header=b"9 2\n"),
    "word2vec_text": ("9 2\n" + "".join(f"wört{i} {i / 7} {-i}\n" for i in range(9))).encode(),
    "glove": "".join(f"wört{i} {i / 7} {-i}\n" for i in range(9)).encode(),
}


@pytest.mark.parametrize("form", list(FILES))
@pytest.mark.parametrize("packing", list(PACKERS))
def test_a_file_that_is_cut_off_is_told_wherever_the_cut_is(tmp_path, form, packing):
    data = FILES[form]
    wanted = rows_of(file_of(tmp_path, data))
    assert len(wanted) == 9
    packed = PACKERS[packing](data)
    for cut in range(len(packed)):
        path = file_of(tmp_path, packed[:cut])
        if form == "glove" and not packing and data[:cut].endswith(b"\n"):
            whole = data[:cut].count(b"\n")  # the format cannot tell
            assert rows_of(path) == wanted[:whole]
        else:
            for given in ("auto", form):
                with pytest.raises(InputError, match=r"v[:, ]"):
                    rows_of(path, format=given)


@in_a_folder
@pytest.mark.parametrize("form", list(FILES))
@given(data=st.data())
def test_changed_bytes_are_told_or_change_a_row_at_their_place_alone(tmp_path, form, data):
    good = FILES[form]
    wanted = rows_of(file_of(tmp_path, good))
    bad = bytearray(good)
    places = data.draw(st.lists(st.integers(0, len(good) - 1), min_size=1, max_size=3))
    for place in places:
        bad[place] = data.draw(st.integers(0, 255))
    path = file_of(tmp_path, bytes(bad))
    packed = data.draw(st.sampled_from(list(PACKERS)))
    path.write_bytes(PACKERS[packed](path.read_bytes()))
    first = min(places)
    found = []
    try:
        vectors = read_vectors(str(path), format=form)
        found.extend((w, v.tolist()) for w, v in vectors.rows())
    except InputError:
        told = True
    else:
        told = False
        assert form == "glove" or len(found) + vectors.doubled == vectors.count == 9
    if first >= 4:  # else the header may promise another dimension
        untouched = rows_before(good, form, first)
        assert found[:untouched] == wanted[: min(untouched, len(found))]
        assert told or len(found) >= untouched


@pytest.mark.parametrize("packing", [".gz", ".bz2"])
def test_a_changed_bit_of_a_packed_file_is_told_or_harmless(tmp_path, packing):
    data = FILES["word2vec_text"]
    wanted = rows_of(file_of(tmp_path, data))
    packed = PACKERS[packing](data)
    told = 0
    for bit in range(8 * len(packed)):
        changed = bytearray(packed)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            assert rows_of(file_of(tmp_path, bytes(changed))) == wanted
        except InputError:
            told += 1
    assert told > 7 * len(packed)


def rows_before(data, form, place):
    """The number of rows that end before the byte at `place`."""
    if form == "word2vec":
        return max(0, (place - 4) // len("wört0 ".encode() + bytes(8)))
    return max(0, data[:place].count(b"\n") - (form == "word2vec_text"))


@in_a_folder
@given(data=st.binary(max_size=300), packing=st.sampled_from(list(PACKERS)))
def test_whatever_the_bytes_are_the_error_is_one_that_the_user_can_act_on(tmp_path, data, packing):
    path = file_of(tmp_path, PACKERS[packing](data))
    for form in ("auto", *FILES):
        try:
            found = rows_of(path, format=form)
        except InputError:
            continue
        assert found
        assert all(w.split() == [w] and np.isfinite(v).all() for w, v in found)


@pytest.mark.parametrize(
    "data",
    [
        b"999999999999999999 10000\nsea 1 2\n",
        b"999999999999999999 10000\nsea " + bytes(1000),
        b"9" * 5_000_000 + b" 2\n",
        b"a 1\n" + b"b" * 5_000_000,
    ],
)
def test_nothing_is_allocated_by_what_a_header_says(tmp_path, data):
    path = file_of(tmp_path, data)
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            rows_of(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("is_binary", [True, False])
def test_one_row_is_held_at_a_time(tmp_path, is_binary):
    n, d = 4_000, 500  # 8 MB as float32
    matrix = np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)
    path, _ = gensim_file(tmp_path, [f"w{i}" for i in range(n)], matrix, is_binary)
    tracemalloc.start()
    try:
        rows = read_vectors(str(path)).rows()
        assert sum(1 for _ in rows) == n
        assert tracemalloc.get_traced_memory()[1] < 6 << 20
    finally:
        tracemalloc.stop()


def test_a_row_outlives_the_file(tmp_path):
    path, wanted = gensim_file(tmp_path, ["a", "b"], np.ones((2, 3), np.float32), True)
    rows = read_vectors(str(path)).rows()
    [(_, vector)] = islice(rows, 1)
    rows.close()
    Path(path).unlink()
    vector += 1
    assert vector.tolist() == [x + 1 for x in wanted[0][1]]
