from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.text.vectors import word2vec_workers
from devise_lib.text.vectors.word2vec_workers import Learner, learn_together, write_pieces
from tests.text.vectors.two_worlds import PARAMS, make_lines
from tests.text.vectors.workers import run_workers

LINES = make_lines(3_000)
VOCABULARY = dict(Counter(word for line in LINES for word in line.split()).most_common())


def train(workers, folder, params=PARAMS, words=500, lines=LINES):
    """The vectors (words, vector_size) of each worker."""
    shares = []
    for rank in range(workers):
        (folder / str(rank)).mkdir(parents=True)
        dealt = write_pieces(lines[rank::workers], folder / str(rank), words, params.workers)
        shares.append(list(dealt))

    def work(exchange):
        merges = max(len(pieces) for pieces in shares)
        learner = Learner(VOCABULARY, params, exchange.rank, merges, words)
        learn_together(learner, exchange, shares[exchange.rank])
        return learner.vectors

    return run_workers(workers, work)


@given(
    st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=9), max_size=40),
    st.integers(1, 30),
    st.integers(1, 3),
)
def test_pieces_hold_every_sentence_once_and_in_order(tmp_path_factory, sentences, words, threads):
    folder = tmp_path_factory.mktemp("pieces")
    lines = [" ".join(tokens) for tokens in sentences]
    pieces = list(write_pieces(lines, folder, words, threads))
    found = []
    for piece in pieces:
        parts = [file.read_text(encoding="utf-8").splitlines() for file in piece.files]
        assert len(parts) == threads
        assert [sum(len(p.split()) for p in part) for part in parts] == list(piece.words)
        found += [parts[n % threads][n // threads] for n in range(sum(map(len, parts)))]
        if piece is not pieces[-1]:
            assert words <= sum(piece.words) < words + 9
    assert found == lines


@pytest.mark.parametrize(
    ("workers", "changes"),
    [(1, {}), (2, {}), (4, {}), (3, {"hs": 1, "negative": 0}), (2, {"hs": 1}), (2, {"sg": 0})],
)
def test_workers_end_with_the_same_vectors_in_which_the_worlds_are_apart(
    tmp_path, workers, changes
):
    all_vectors = train(workers, tmp_path, replace(PARAMS, **changes))
    for vectors in all_vectors:
        np.testing.assert_array_equal(vectors.vectors, all_vectors[0].vectors)
    animals = [f"animal{n}" for n in range(20)]
    vehicles = [f"vehicle{n}" for n in range(20)]
    first = all_vectors[0]
    alike = first.n_similarity(animals[:10], animals[10:])
    assert alike > first.n_similarity(animals, vehicles) + 0.2


def test_threads_of_a_worker_share_its_piece(tmp_path):
    [first, second] = train(2, tmp_path, replace(PARAMS, workers=3))
    np.testing.assert_array_equal(first.vectors, second.vectors)


def test_a_worker_without_sentences_takes_part_in_the_merges(tmp_path):
    [busy, idle] = train(2, tmp_path, lines=LINES[:1])
    np.testing.assert_array_equal(busy.vectors, idle.vectors)
    untrained = Learner(VOCABULARY, PARAMS, 0, 1, 500).vectors
    assert (busy.vectors != untrained.vectors).any()


def test_a_lone_worker_learns_as_much_as_without_merges(tmp_path):
    """Merging with nobody changes nothing but the pieces' common learning rate."""
    [often] = train(1, tmp_path / "often", words=100)
    [once] = train(1, tmp_path / "once", words=10**9)
    norms = [np.linalg.norm(vectors.vectors, axis=1).mean() for vectors in (often, once)]
    assert norms[0] == pytest.approx(norms[1], rel=0.1)


def test_many_workers_stay_stable_because_common_words_are_damped(tmp_path, monkeypatch):
    """Forty words are all common: without damping, eight workers overshoot together."""

    def norm(folder):
        return np.linalg.norm(train(8, folder, words=1_000)[0].vectors, axis=1).mean()

    alone = np.linalg.norm(train(1, tmp_path / "alone")[0].vectors, axis=1).mean()
    damped = norm(tmp_path / "damped")
    monkeypatch.setattr(word2vec_workers, "PROGRESS", 0.0)
    assert norm(tmp_path / "summed") > 2 * damped
    assert damped < 2 * alone


def test_expected_steps_of_a_row_are_those_that_its_words_take():
    for changes in ({}, {"hs": 1, "negative": 0}, {"hs": 1}, {"sg": 0}, {"sg": 0, "hs": 1}):
        params = replace(PARAMS, **changes)
        learner = Learner(VOCABULARY, params, 0, 1, 1)
        inputs, *outputs = word2vec_workers._steps_per_word(learner._model)
        pairs = params.window + 1 if params.sg else 1  # a word, if none is left out
        length = 0.0
        if params.hs:  # the root's row, the first, is met at every pair
            assert outputs[-1][0] == pytest.approx(pairs)
            length = outputs[-1].sum() / pairs
        if params.negative:
            assert outputs[0].sum() == pytest.approx(pairs * (1 + params.negative))
        targets = (params.negative + 1 if params.negative else 0) + length
        assert inputs.sum() == pytest.approx(pairs * targets)
