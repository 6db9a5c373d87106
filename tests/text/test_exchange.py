from concurrent.futures import ThreadPoolExecutor
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devise_lib.text.exchange import Exchange
from tests.text.workers import run_workers


def draw_changes(workers, rows, dimension, seed):
    """A change of each worker, of which most rows are zero and some whole blocks are."""
    rng = np.random.default_rng(seed)
    changes = rng.standard_normal((workers, rows, dimension)).astype(np.float32)
    changes[rng.random((workers, rows)) < 0.7] = 0.0
    return changes


@settings(max_examples=25)
@given(st.integers(1, 5), st.integers(1, 40), st.integers(1, 7), st.integers(0, 99))
def test_each_worker_gets_the_sum_of_all_as_the_rows_that_changed(workers, rows, dimension, seed):
    changes = draw_changes(workers, rows, dimension, seed)
    results = run_workers(workers, lambda exchange: exchange.sum_rows(changes[exchange.rank]))
    for places, values in results:
        assert set(places) == set(np.flatnonzero(changes.any(axis=(0, 2))))
        assert len(places) == len(set(places))
        dense = np.zeros((rows, dimension), dtype=np.float32)
        dense[places] = values
        np.testing.assert_allclose(dense, changes.sum(axis=0), atol=1e-5)
        np.testing.assert_array_equal(places, results[0][0])
        np.testing.assert_array_equal(values, results[0][1])  # bit by bit


def test_sums_come_in_the_order_of_the_calls():
    def work(exchange):
        totals = []
        for call in range(30):
            change = np.full((6, 2), (call + 1) * 10.0**exchange.rank, dtype=np.float32)
            totals.append(float(exchange.sum_rows(change)[1][0, 0]))
        return totals

    for totals in run_workers(3, work):
        assert totals == [(call + 1) * 111.0 for call in range(30)]


def test_more_bytes_than_a_socket_holds_do_not_block():
    change = np.ones((40_000, 50), dtype=np.float32)  # 8 MB
    for places, values in run_workers(3, lambda exchange: exchange.sum_rows(change)):
        assert len(places) == 40_000
        assert (values == 3.0).all()


def test_a_worker_that_has_gone_is_an_error_for_the_others():
    def work(exchange):
        if exchange.rank == 1:
            return "gone"
        with pytest.raises((EOFError, OSError)):
            for _ in range(3):
                exchange.sum_rows(np.ones((100, 3), dtype=np.float32))
        return "told"

    assert run_workers(3, work) == ["told", "gone", "told"]


def test_a_stranger_without_the_key_is_turned_away_and_the_workers_still_meet():
    addresses, all_there = ["", ""], Barrier(2)

    def gather_of(rank):
        def gather(address):
            addresses[rank] = address
            all_there.wait(timeout=30)
            if rank == 1:  # before it connects, somebody else does
                host, _, port = addresses[0].partition(" ")
                with pytest.raises((AuthenticationError, EOFError, OSError)):
                    Client((host, int(port)), authkey=b"another")
            return addresses

        return gather

    def meet(rank):
        exchange = Exchange(rank, "localhost", gather_of(rank), b"right")
        _, values = exchange.sum_rows(np.ones((1, 1), dtype=np.float32))
        exchange.close()
        return float(values[0, 0])

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(meet, range(2))) == [2.0, 2.0]
