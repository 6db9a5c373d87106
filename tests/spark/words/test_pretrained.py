import bz2
import gzip

import numpy as np
import pytest

from devise_lib.command_line import find_input_error
from devise_lib.errors import InputError
from devise_lib.spark.tables.schemas import WORD_VECTORS
from devise_lib.spark.words.pretrained import ROWS, vectors_from_file
from devise_lib.text.vectors.export import save_word2vec, save_word2vec_text

pytestmark = pytest.mark.spark

N, D = ROWS + 7, 3
MATRIX = np.random.default_rng(1).standard_normal((N, D)).astype(np.float32)
WORDS = [f"wort{i}" for i in range(N)]


def read(vectors):
    rows = vectors.rows.collect()
    assert vectors.rows.schema == WORD_VECTORS
    return [(row["rank"], row["word"], row["vector"]) for row in rows if row["count"] is None]


@pytest.mark.parametrize("save", [save_word2vec, save_word2vec_text])
@pytest.mark.parametrize("pack", [None, gzip.compress, bz2.compress])
def test_every_row_of_the_file_is_there_with_its_place_and_no_count(spark, tmp_path, save, pack):
    path = tmp_path / "v"
    save(zip(WORDS, [None] * N, MATRIX, strict=True), N, D, str(path))
    if pack is not None:
        path.write_bytes(pack(path.read_bytes()))
    vectors = vectors_from_file(spark, str(path))
    assert vectors.rows.rdd.getNumPartitions() == 1
    wanted = [(i + 1, word, MATRIX[i].tolist()) for i, word in enumerate(WORDS)]
    assert read(vectors) == wanted
    assert (vectors.duplicates.value, vectors.broken.value) == (0, 0)


def test_what_is_left_out_is_counted_and_ranks_have_no_gaps(spark, tmp_path):
    path = tmp_path / "v.txt"
    path.write_bytes(b"The 1\nthe 2\nsea 3\ncaf\xe9 4\nSEA 5\nsky 6\nland 7\n")
    vectors = vectors_from_file(spark, str(path), "glove", max_words=3)
    assert read(vectors) == [(1, "the", [1]), (2, "sea", [3]), (3, "sky", [6])]
    assert (vectors.duplicates.value, vectors.broken.value) == (2, 1)


def test_what_is_wrong_at_the_head_is_told_at_once_and_what_is_wrong_later_by_the_task(
    spark, tmp_path
):
    path = tmp_path / "v.vec"
    path.write_text("2 0\n")
    with pytest.raises(InputError, match="line 1: 2 words of 0 numbers"):
        vectors_from_file(spark, str(path))
    path.write_text("2 2\nsea 1 2\nland 1 two\n")
    vectors = vectors_from_file(spark, str(path))
    with pytest.raises(Exception, match="InputError") as raised:
        vectors.rows.collect()
    error = find_input_error(raised.value)
    assert error is not None
    assert str(error).startswith(f"{path}, line 3: 'two' where a number of the vector of 'land'")
