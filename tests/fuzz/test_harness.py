"""The harness itself: it counts, it ends, it finds a fault, and its limits hold."""

import contextlib
import time

import numpy as np
import pytest
from hypothesis import example
from hypothesis import strategies as st

from tests.fuzz.conftest import limits, try_examples, try_for


def test_a_brief_run_draws_the_same_examples_each_time():
    runs: list[list[int]] = [[], []]
    for seen in runs:
        assert try_examples(seen.append, st.integers(), 30) == len(seen) >= 30
    assert runs[0] == runs[1]


def test_a_long_run_draws_new_examples_until_its_time_is_over():
    runs: list[list[bytes]] = [[], []]
    for seen in runs:
        started = time.monotonic()
        assert try_for(0.2, seen.append, st.binary(min_size=9)) == len(seen) >= 500
        assert time.monotonic() - started < 5
    assert runs[0] != runs[1]


def test_a_fault_is_found_and_the_examples_that_were_kept_are_tried_first():
    seen = []

    @example(77)
    def check(number: int) -> None:
        seen.append(number)
        assert number < 1000

    with pytest.raises(AssertionError):
        try_examples(check, st.integers(), 100)
    assert seen[0] == 77


def test_limits_tell_of_too_much_time_even_where_the_interruption_was_caught():
    def loop() -> None:
        with contextlib.suppress(Exception):
            while True:
                pass

    with pytest.raises(AssertionError, match=r"of CPU, at most 0\.05 s"), limits(0.05, 1000):
        loop()
    with limits(1, 1000):
        pass


def test_limits_tell_of_too_much_memory_even_where_it_was_given_back():
    with pytest.raises(AssertionError, match="at most 50 MiB"), limits(5, 50):
        np.ones(100 << 20, np.uint8).sum()
    with limits(5, 50):
        np.ones(10 << 20, np.uint8).sum()
