import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.text.near_duplicates import band_and_rows, band_hashes, signature

token_lists = st.lists(st.sampled_from("abcdefgh"), max_size=40)


def exact_jaccard(tokens_a, tokens_b, shingle):
    """Of the sets of word runs, as the definition has it."""
    sets = [
        {tuple(tokens[i : i + shingle]) for i in range(max(1, len(tokens) - shingle + 1))}
        for tokens in (tokens_a, tokens_b)
    ]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


@given(token_lists.filter(bool), token_lists.filter(bool), st.integers(1, 4))
def test_estimates_the_jaccard_similarity_of_the_shingles(tokens_a, tokens_b, shingle):
    one, other = (signature(tokens, 512, shingle) for tokens in (tokens_a, tokens_b))
    estimate = np.mean(one == other)
    # Standard deviation 0.5 / sqrt(512) = 0.022 at most.
    assert estimate == pytest.approx(exact_jaccard(tokens_a, tokens_b, shingle), abs=0.13)


@given(token_lists, st.integers(1, 4))
def test_equal_texts_have_equal_signatures_and_bands(tokens, shingle):
    one, other = signature(tokens, 32, shingle), signature(list(tokens), 32, shingle)
    assert (one == other).all()
    assert band_hashes(one, 4, 8) == band_hashes(other, 4, 8)


@given(st.lists(st.integers(0, 2), min_size=12, max_size=12), st.data())
def test_band_hashes_are_equal_where_the_rows_are(values, data):
    one = np.array(values, dtype=np.uint64)
    other = one.copy()
    changed = data.draw(st.integers(0, 11))
    other[changed] += 1
    same = [a == b for a, b in zip(band_hashes(one, 4, 3), band_hashes(other, 4, 3), strict=True)]
    assert same == [band != changed // 3 for band in range(4)]


def test_bands_of_equal_rows_at_other_places_differ():
    hashes = band_hashes(np.zeros(12, dtype=np.uint64), 4, 3)
    assert len(set(hashes)) == 4
    assert all(-(2**63) <= value < 2**63 for value in hashes)  # fits a column of longs


def test_every_process_gives_the_same_hashes():
    program = (
        "from devise_lib.text.near_duplicates import *\n"
        "s = signature('the cat sat on the mat'.split(), 16, 2)\n"
        "print(s.tolist(), band_hashes(s, 4, 4))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    own = signature(["the", "cat", "sat", "on", "the", "mat"], 16, 2)
    assert printed == {f"{own.tolist()} {band_hashes(own, 4, 4)}\n"}


@pytest.mark.parametrize("num_perm", [64, 128, 256])
@pytest.mark.parametrize("t", [0.6, 0.7, 0.8, 0.9])
def test_texts_above_the_threshold_share_a_band_and_those_far_below_hardly_ever(t, num_perm):
    bands, rows = band_and_rows(t, num_perm)
    assert 1 <= bands * rows <= num_perm

    def meet(similarity):
        return 1 - (1 - similarity**rows) ** bands

    assert meet(min(1, t + 0.1)) >= 0.95
    assert meet(t) >= 0.75
    assert meet(t / 2) <= 0.15


def test_a_threshold_near_one_is_met_by_two_long_bands():
    assert band_and_rows(1.0, 64) == (2, 32)


def test_copies_with_a_changed_sentence_share_a_band_and_other_texts_do_not():
    rng = np.random.default_rng(0)
    words = [f"w{n}" for n in rng.integers(0, 500, 1000)]
    copy = [*words[:480], *(f"v{n}" for n in range(20)), *words[500:]]
    other = [f"w{n}" for n in rng.integers(0, 500, 1000)]
    bands, rows = band_and_rows(0.8, 64)
    hashes = [set(band_hashes(signature(t, 64, 5), bands, rows)) for t in (words, copy, other)]
    assert hashes[0] & hashes[1]
    assert not hashes[0] & hashes[2]


def test_a_text_longer_than_one_batch_has_the_signature_of_all_its_shingles():
    tokens = [f"w{n}" for n in range(40_000)]
    halves = [signature(part, 32, 1) for part in (tokens[:20_000], tokens[20_000:])]
    np.testing.assert_array_equal(signature(tokens, 32, 1), np.minimum(*halves))


def test_refuses_numbers_that_make_no_sense():
    with pytest.raises(InputError, match="num_perm is 0"):
        signature(["a"], 0, 1)
    with pytest.raises(InputError, match=r"threshold is 1\.5"):
        band_and_rows(1.5, 64)
    with pytest.raises(InputError, match="want a signature of 12, got 4"):
        band_hashes(np.zeros(4, dtype=np.uint64), 4, 3)
