from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devise_lib.errors import InputError
from devise_lib.text.word_vectors import (
    Word2VecParams,
    iter_words,
    load_word2vec,
    save_word2vec,
    train,
)


def params(**changes):
    usual = {
        "vector_size": 16,
        "window": 3,
        "min_count": 2,
        "negative": 5,
        "hs": 0,
        "sg": 1,
        "sample": 0.0,
        "epochs": 5,
        "alpha": 0.05,
        "seed": 1,
        "workers": 1,
    }
    return Word2VecParams(**{**usual, **changes})


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Two worlds of 20 words that share no word, and one word that comes once."""
    rng = np.random.default_rng(0)
    worlds = [[f"{kind}{n}" for n in range(20)] for kind in ("animal", "vehicle")]
    lines = [" ".join(rng.choice(worlds[n % 2], 6)) for n in range(3000)]
    path = tmp_path_factory.mktemp("corpus") / "sentences.txt"
    path.write_text("\n".join([*lines, "rare"]) + "\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("changes", [{}, {"hs": 1, "negative": 0}, {"sg": 0}])
def test_words_of_one_world_come_out_alike(corpus, changes):
    vectors = train(corpus, params(**changes))
    assert vectors.vectors.shape == (40, 16)
    animals = [f"animal{n}" for n in range(20)]
    vehicles = [f"vehicle{n}" for n in range(20)]
    alike = vectors.n_similarity(animals[:10], animals[10:])
    assert alike > vectors.n_similarity(animals, vehicles) + 0.2


def test_one_worker_gives_the_same_vectors_again(corpus):
    first, second = (train(corpus, params()) for _ in range(2))
    np.testing.assert_array_equal(first.vectors, second.vectors)


def test_words_come_with_their_counts_the_commonest_first(corpus):
    rows = list(iter_words(train(corpus, params(min_count=1))))
    counted = Counter(Path(corpus).read_text(encoding="utf-8").split())
    assert [count for _, count, _ in rows] == sorted(counted.values(), reverse=True)
    assert {word: count for word, count, _ in rows} == counted
    assert all(vector.shape == (16,) and vector.dtype == np.float32 for _, _, vector in rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 sentences and 0 words"),
        ("\n\n", "0 words"),
        ("a b c\nd e\n", "2 sentences and 5 words, none of which comes min_count = 2 times"),
    ],
)
def test_refuses_a_corpus_without_words_and_says_what_came(tmp_path, text, message):
    path = tmp_path / "sentences.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        train(str(path), params())


def test_names_a_corpus_that_is_missing(tmp_path):
    with pytest.raises(InputError, match=r"no corpus at .*none"):
        train(str(tmp_path / "none"), params())


numbers = st.floats(-1e6, 1e6, width=32)
some_vectors = arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=numbers)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some_vectors, st.data())
def test_gensim_reads_what_was_written(tmp_path, matrix, data):
    word = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=9)
    names = data.draw(st.lists(word, min_size=len(matrix), max_size=len(matrix), unique=True))
    counts = range(len(names) + 5, 5, -1)
    path = str(tmp_path / "v.bin")

    save_word2vec(zip(names, counts, matrix, strict=True), *matrix.shape, path)

    plain = KeyedVectors.load_word2vec_format(path, binary=True)
    assert plain.index_to_key == names
    np.testing.assert_array_equal(plain.vectors, matrix)
    assert [count for _, count, _ in iter_words(load_word2vec(path))] == list(counts)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", 1, np.zeros(2)), ("b c", 1, np.zeros(2))], "row 2 is 'b c'"),
        ([("a", 1, np.zeros(3)), ("b", 1, np.zeros(2))], "length 3, want .* length 2"),
        ([("a", 1, np.zeros(2))], "1 words came, want the 2"),
    ],
)
def test_writes_nothing_where_a_row_does_not_fit(tmp_path, rows, message):
    with pytest.raises(InputError, match=message):
        save_word2vec(rows, 2, 2, str(tmp_path / "v.bin"))
    assert list(tmp_path.iterdir()) == []


def test_says_that_a_file_holds_no_word_vectors(tmp_path):
    (tmp_path / "v.bin").write_bytes(b"3 4\nword and no vector")
    for name in ("v.bin", "none"):
        with pytest.raises(InputError, match=f"{name}: want vectors in word2vec's"):
            load_word2vec(str(tmp_path / name))
