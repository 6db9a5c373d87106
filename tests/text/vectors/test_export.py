"""Files of word vectors as gensim reads them."""

import unicodedata

import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devise_lib.errors import InputError
from devise_lib.text.vectors.export import save_word2vec, save_word2vec_text
from devise_lib.text.vectors.files import read_vectors

SAVE = {True: save_word2vec, False: save_word2vec_text}  # by "binary", as gensim calls it
numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
matrices = arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=numbers)
name = st.text(
    st.characters(categories=["L", "N", "P", "S"], codec="utf-8"), min_size=1, max_size=9
).map(lambda text: unicodedata.normalize("NFC", text))  # others come back in it


def bits(matrix):
    return np.asarray(matrix, dtype=np.float32).view(np.uint32).tolist()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("binary", [True, False])
@given(matrix=matrices, data=st.data())
def test_gensim_reads_every_bit_and_every_count(tmp_path, binary, matrix, data):
    n, d = matrix.shape
    names = data.draw(st.lists(name, min_size=n, max_size=n, unique=True))
    counts = range(n + 5, 5, -1)
    path = str(tmp_path / "v")

    SAVE[binary](zip(names, counts, matrix, strict=True), n, d, path)

    read = KeyedVectors.load_word2vec_format(path, fvocab=f"{path}.vocab", binary=binary)
    assert read.index_to_key == names
    assert bits(read.vectors) == bits(matrix)
    assert [read.get_vecattr(word, "count") for word in names] == list(counts)
    again = dict(read_vectors(path).rows())
    assert (list(again), bits(list(again.values()))) == (names, bits(matrix))


def test_the_text_holds_every_kind_of_float32(tmp_path):
    """Random bit patterns: subnormal, huge and negative zero among them."""
    every = np.random.default_rng(0).integers(0, 2**32, 400_000, dtype=np.uint32).view(np.float32)
    every = every[np.isfinite(every)]
    matrix = every[: len(every) // 100 * 100].reshape(-1, 100)
    path = str(tmp_path / "v.vec")
    save_word2vec_text(((f"w{i}", None, v) for i, v in enumerate(matrix)), len(matrix), 100, path)
    assert bits([vector for _, vector in read_vectors(path).rows()]) == bits(matrix)


@pytest.mark.parametrize("binary", [True, False])
def test_vectors_without_counts_have_no_file_of_counts_beside_them(tmp_path, binary):
    path = tmp_path / "v"
    SAVE[binary]([("a", 7, np.ones(2))], 1, 2, str(path))
    assert (tmp_path / "v.vocab").read_text() == "a 7\n"
    SAVE[binary]([("b", None, np.ones(2))], 1, 2, str(path))
    assert [p.name for p in tmp_path.iterdir()] == ["v"]
    assert [word for word, _ in read_vectors(str(path)).rows()] == ["b"]


ONE = ("a", 1, np.zeros(2))


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([ONE, ("b c", 1, np.zeros(2))], "row 2 is 'b c'"),
        ([ONE, ("b\u00a0c", 1, np.zeros(2))], "want a word without white space"),
        ([ONE, ("", 1, np.zeros(2))], "row 2 is ''"),
        ([("a", 1, np.zeros(3)), ("b", 1, np.zeros(2))], "length 3, want .* length 2"),
        ([ONE], "got 1 words, want the announced 2"),
        ([ONE, ("b", 1, np.zeros(2)), ("c", 1, np.zeros(2))], "got 3 words, want the announced 2"),
        ([ONE, ("b", None, np.zeros(2))], "1 of 2 words have a count, want all or none"),
        ([ONE, ("b", 1, np.array([1, np.nan]))], "the vector of row 2, 'b', holds nan or infinity"),
        ([ONE, ("b", 1, np.array([np.inf, 1]))], "the vector of row 2, 'b', holds nan or infinity"),
    ],
)
def test_what_does_not_fit_is_told_and_the_old_files_stay(tmp_path, binary, rows, message):
    with pytest.raises(InputError, match=message):
        SAVE[binary](rows, 2, 2, str(tmp_path / "v"))
    assert list(tmp_path.iterdir()) == []
    SAVE[binary]([ONE], 1, 2, str(tmp_path / "v"))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match=message):
        SAVE[binary](rows, 2, 2, str(tmp_path / "v"))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert len(before) == 2
