from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.text.vectors.word2vec import CorpusSize, new_model, train
from tests.text.vectors.two_worlds import PARAMS, make_lines


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Two worlds of 20 words that share no word, and one word that comes once."""
    path = tmp_path_factory.mktemp("corpus") / "sentences.txt"
    path.write_text("\n".join([*make_lines(3_000), "rare"]) + "\n", encoding="utf-8")
    return str(path)


def count(path):
    text = Path(path).read_text(encoding="utf-8")
    counts = Counter(text.split())
    common = {word: n for word, n in counts.most_common() if n >= 2}
    return common, CorpusSize(text.count("\n"), counts.total(), len(text))


@pytest.mark.parametrize("changes", [{}, {"hs": 1, "negative": 0}, {"sg": 0}, {"hs": 1}])
def test_words_of_one_world_come_out_alike(corpus, changes):
    vectors = train(corpus, *count(corpus), replace(PARAMS, **changes))
    assert vectors.vectors.shape == (40, 16)
    animals = [f"animal{n}" for n in range(20)]
    vehicles = [f"vehicle{n}" for n in range(20)]
    alike = vectors.n_similarity(animals[:10], animals[10:])
    assert alike > vectors.n_similarity(animals, vehicles) + 0.2


def test_one_thread_gives_the_same_vectors_again(corpus):
    first, second = (train(corpus, *count(corpus), PARAMS) for _ in range(2))
    np.testing.assert_array_equal(first.vectors, second.vectors)


def test_words_keep_their_counts_the_commonest_first(corpus):
    vocabulary, size = count(corpus)
    vectors = train(corpus, vocabulary, size, PARAMS)
    counts = [vectors.get_vecattr(word, "count") for word in vectors.index_to_key]
    assert counts == sorted(vocabulary.values(), reverse=True)
    assert dict(zip(vectors.index_to_key, counts, strict=True)) == vocabulary
    assert "rare" not in vectors


def test_a_model_of_a_vocabulary_is_that_of_gensims_own_count(corpus):
    from gensim.models import Word2Vec

    vocabulary, _ = count(corpus)
    ours = new_model(vocabulary, replace(PARAMS, sample=1e-3))
    theirs = Word2Vec(vector_size=16, min_count=2, sample=1e-3, seed=1, sg=1)
    theirs.build_vocab(corpus_file=corpus)
    assert set(ours.wv.index_to_key) == set(theirs.wv.index_to_key)
    for word in vocabulary:
        for attribute in ("count", "sample_int"):
            assert ours.wv.get_vecattr(word, attribute) == theirs.wv.get_vecattr(word, attribute)


@pytest.mark.parametrize("changes", [{}, {"hs": 1, "negative": 0}, {"hs": 1}])
def test_the_memory_that_is_announced_holds_the_matrices_that_are_trained(corpus, changes):
    vocabulary, _ = count(corpus)
    params = replace(PARAMS, **changes)
    model = new_model(vocabulary, params)
    trained = [model.wv.vectors, *(getattr(model, n, None) for n in ("syn1", "syn1neg"))]
    taken = sum(matrix.nbytes for matrix in trained if matrix is not None)
    announced = params.memory_bytes(len(vocabulary))
    assert taken <= announced
    assert params.memory_bytes(len(vocabulary), copies=2) - announced == taken


@pytest.mark.parametrize(("vocabulary", "words"), [({}, 5), ({"a": 2}, 0)])
def test_refuses_a_corpus_without_words_and_says_what_came(tmp_path, vocabulary, words):
    path = tmp_path / "sentences.txt"
    path.touch()
    with pytest.raises(InputError, match=f"0 sentences and {words} words, and the vocabulary has"):
        train(str(path), vocabulary, CorpusSize(0, words, 0), PARAMS)


def test_names_a_corpus_that_is_missing(tmp_path):
    with pytest.raises(InputError, match=r"no corpus at .*none"):
        train(str(tmp_path / "none"), {"a": 1}, CorpusSize(1, 1, 2), PARAMS)
