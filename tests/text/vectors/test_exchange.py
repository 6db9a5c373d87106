import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.text.vectors import exchange as exchange_module
from devise_lib.text.vectors.exchange import Exchange
from tests.text.vectors.workers import run_workers


def draw_changes(workers, rows, dimension, seed):
    """A change of each worker, of which most rows are zero and some whole blocks are."""
    rng = np.random.default_rng(seed)
    changes = rng.standard_normal((workers, rows, dimension)).astype(np.float32)
    changes[rng.random((workers, rows)) < 0.7] = 0.0
    return changes


@settings(max_examples=25)
@given(st.integers(1, 5), st.integers(1, 40), st.integers(1, 7), st.integers(0, 99))
def test_each_worker_gets_the_sum_of_all_bit_by_bit(workers, rows, dimension, seed):
    changes = draw_changes(workers, rows, dimension, seed)
    results = run_workers(workers, lambda exchange: exchange.sum_rows(changes[exchange.rank]))
    for total in results:
        np.testing.assert_allclose(total, changes.sum(axis=0), atol=1e-5)
        np.testing.assert_array_equal(total, results[0])


def test_rows_that_did_not_change_do_not_travel(monkeypatch):
    sent = []
    send = exchange_module._send

    def watch(connection, rows, mask):
        sent.append(int(mask.sum()))
        send(connection, rows, mask)

    monkeypatch.setattr(exchange_module, "_send", watch)
    change = np.zeros((1_000, 4), dtype=np.float32)
    change[[3, 500, 999]] = 1.0
    run_workers(2, lambda exchange: exchange.sum_rows(change))
    assert sorted(sent) == [1, 1, 2, 2]  # to the worker that sums them, and back


def test_sums_come_in_the_order_of_the_calls():
    def work(exchange):
        totals = []
        for call in range(30):
            change = np.full((6, 2), (call + 1) * 10.0**exchange.rank, dtype=np.float32)
            totals.append(float(exchange.sum_rows(change)[0, 0]))
        return totals

    for totals in run_workers(3, work):
        assert totals == [(call + 1) * 111.0 for call in range(30)]


def test_no_message_waits_until_the_one_before_is_acknowledged():
    """Nagle's algorithm, at either end, costs each sum of few rows 90 ms."""

    def work(exchange):
        found = []
        for connection in exchange._peers.values():
            with socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as end:
                found.append(end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        return found

    for at_once in run_workers(3, work):
        assert at_once == [1, 1]


def test_more_bytes_than_a_socket_holds_do_not_block():
    change = np.ones((40_000, 50), dtype=np.float32)  # 8 MB
    for total in run_workers(3, lambda exchange: exchange.sum_rows(change)):
        assert (total == 3.0).all()


def test_a_worker_that_has_gone_is_an_error_for_the_others():
    def work(exchange):
        if exchange.rank == 1:
            return "gone"

        def sum_thrice():
            for _ in range(3):  # the first may be sent before the other end is closed
                exchange.sum_rows(np.ones((100, 3), dtype=np.float32))

        with pytest.raises((EOFError, OSError)):
            sum_thrice()
        return "told"

    assert run_workers(3, work) == ["told", "gone", "told"]


def say_nothing(address):
    return socket.create_connection(address)  # and stays


def say_something_else(address):
    connection = socket.create_connection(address)
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    return connection


def say_the_wrong_key(address):
    with pytest.raises((AuthenticationError, EOFError, OSError)):
        Client(address, authkey=b"another")


@pytest.mark.parametrize("call", [say_nothing, say_something_else, say_the_wrong_key])
def test_strangers_are_turned_away_and_the_workers_still_meet(call):
    addresses, all_there = ["", ""], Barrier(2)
    strangers = []

    def gather_of(rank):
        def gather(address):
            addresses[rank] = address
            all_there.wait(timeout=30)
            if rank == 1:  # before it connects, somebody else does
                host, _, port = addresses[0].partition(" ")
                strangers.append(call((host, int(port))))
            return addresses

        return gather

    def meet(rank):
        exchange = Exchange(rank, "localhost", gather_of(rank), b"right", patience=30)
        total = exchange.sum_rows(np.ones((1, 1), dtype=np.float32))
        exchange.close()
        return float(total[0, 0])

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(meet, range(2))) == [2.0, 2.0]
    assert not any("_admit_all" in thread.name for thread in threading.enumerate())


def test_a_worker_whose_gathering_fails_leaves_no_thread_behind():
    def gather(_):
        raise ValueError("another task has failed")

    with pytest.raises(ValueError, match="another task has failed"):
        Exchange(0, "localhost", gather, b"key")
    assert not any("_admit_all" in thread.name for thread in threading.enumerate())


def test_a_worker_that_cannot_be_called_any_more_says_why_at_once(monkeypatch):
    def fail(_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(exchange_module.Listener, "accept", fail)
    with pytest.raises(InputError, match=r"reached 0 of the others .*Too many open files"):
        Exchange(0, "localhost", lambda address: [address, "localhost 1"], b"key", patience=30)


def test_workers_that_cannot_be_reached_are_an_error_that_says_so():
    with pytest.raises(
        InputError, match="number 0 on localhost has reached 0 of the others in 0 s"
    ):
        Exchange(0, "localhost", lambda address: [address, "localhost 1"], b"key", patience=0.2)
    with pytest.raises(InputError, match=r"number 1 .*ConnectionRefusedError"):
        Exchange(1, "localhost", lambda address: ["localhost 1", address], b"key")
