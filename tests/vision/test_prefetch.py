import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.vision.prefetch import PrefetchLimits, prefetch_map


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(1, 4), st.integers(1, 12))
def test_results_come_in_the_order_of_the_items(items, threads, ahead):
    found = prefetch_map(lambda x: x * x, items, PrefetchLimits(threads, ahead), weigh=lambda x: x)
    assert list(found) == [x * x for x in items]


def test_no_more_is_taken_than_may_be_held_and_one_item_whatever_it_weighs():
    taken, weights = [], [3, 3, 3, 50, 1, 1]

    def items():
        for weight in weights:
            taken.append(weight)
            yield weight

    held = []
    for done, result in enumerate(
        prefetch_map(lambda x: x, items(), PrefetchLimits(2, ahead=6), weigh=int)
    ):
        assert result == weights[done]
        held.append(sum(taken[done:]))  # in work, waiting, and the one just given
    assert held[0] == 6
    assert max(held[:2]) <= 6 + 3  # what was begun before the last one counted
    assert sorted(taken) == sorted(weights)


def test_threads_work_while_the_caller_does():
    together = threading.Barrier(3, timeout=10)
    found = prefetch_map(lambda _: together.wait(), range(3), PrefetchLimits(3, ahead=3))
    assert sorted(found) == [0, 1, 2]


def test_an_error_is_raised_in_its_items_place():
    found = prefetch_map(lambda x: 1 // x, [1, 0, 1], PrefetchLimits(2, ahead=3))
    assert next(found) == 1
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_what_hangs_is_given_up_and_the_others_are_done():
    release = threading.Event()

    def work(item):
        if item < 0:
            release.wait(60)
        return item

    started = time.monotonic()
    items = [1, -1, -2, 2, -3, 3, *range(10, 30)]
    found = prefetch_map(
        work, items, PrefetchLimits(2, ahead=100, limit_s=0.2), late=lambda item: f"late {item}"
    )
    wanted = [1, "late -1", "late -2", 2, "late -3", 3, *range(10, 30)]
    assert list(found) == wanted
    assert time.monotonic() - started < 30
    release.set()


def test_where_everything_hangs_it_ends(monkeypatch):
    monkeypatch.setattr("devise_lib.vision.prefetch.MOST_ABANDONED", 3)
    release = threading.Event()
    found = prefetch_map(
        lambda _: release.wait(60), range(100), PrefetchLimits(2, ahead=9, limit_s=0.05), late=str
    )
    with pytest.raises(InputError, match=r"4 files took longer than 0\.05 s each, the last one 3:"):
        list(found)
    release.set()


def test_a_limit_without_an_answer_for_late_ones_is_an_error():
    release = threading.Event()
    with pytest.raises(TimeoutError, match=r"'x' took longer than 0\.1 s"):
        list(
            prefetch_map(lambda _: release.wait(60), ["x"], PrefetchLimits(1, ahead=1, limit_s=0.1))
        )
    release.set()


def test_threads_end_with_the_results_also_when_nobody_takes_them_all():
    before = set(threading.enumerate())  # some of which may end meanwhile: other tests' own
    list(prefetch_map(lambda x: x, range(5), PrefetchLimits(3, ahead=5)))
    found = prefetch_map(lambda x: x, range(100), PrefetchLimits(3, ahead=5))
    next(found)
    found.close()
    deadline = time.monotonic() + 10
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not set(threading.enumerate()) - before
