"""Sums of changes over workers that train separately, exchanged directly between the workers.

For every row one worker computes the sum. A merge therefore sends a changed row twice per worker
(there and back) for any number of workers, and no process holds the changes of all.
"""

import queue
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import pairwise
from multiprocessing import AuthenticationError
from multiprocessing.connection import (
    Client,
    Connection,
    Listener,
    answer_challenge,
    deliver_challenge,
)
from threading import Event, Thread
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError

# Connections of workers that have called, by rank; an error if no more can call.
Met: TypeAlias = "queue.SimpleQueue[tuple[int, Connection] | OSError]"
Gather = Callable[[str], list[str]]  # each worker passes a text and gets those of all, by rank


class Exchange:
    """One worker's connections with all others.

    Only raw numbers are sent, and nothing received is unpickled. Both ends prove that they know
    `key` (HMAC). The numbers themselves are not encrypted.

    Args:
        rank: this worker's number, from 0.
        host: the name by which the others reach this machine.
        gather: exchanges the addresses; all workers call it once.
        key: a secret that all workers share.
        patience: seconds to wait for the others.

    Raises:
        InputError: the others cannot be reached.
    """

    def __init__(
        self, rank: int, host: str, gather: Gather, key: bytes, patience: float = 300.0
    ) -> None:
        self.rank = rank
        self._peers: dict[int, Connection] = {}
        with _admitting(key) as (port, met):
            addresses = gather(f"{host} {port}")
            self.workers = len(addresses)
            try:
                for peer in range(rank):
                    self._peers[peer] = _call(addresses[peer], rank, key)
                while len(self._peers) < self.workers - 1:
                    found = met.get(timeout=patience)
                    if isinstance(found, OSError):
                        raise found
                    peer, connection = found
                    self._peers[peer] = connection
                for connection in self._peers.values():
                    _send_at_once(connection)
            except (OSError, EOFError, AuthenticationError, queue.Empty) as error:
                self._hang_up()
                raise InputError(
                    f"{self.workers} tasks train word vectors together, and number {rank} on "
                    f"{host} has reached {len(self._peers)} of the others in {patience:.0f} s "
                    f"({type(error).__name__} {error}): let the executors open TCP connections to "
                    'one another, or take train_word2vec.engine = "one_machine"'
                ) from error
        self._senders = ThreadPoolExecutor(max(1, self.workers - 1))

    def close(self) -> None:
        """Closes the connections."""
        self._hang_up()
        self._senders.shutdown()

    def _hang_up(self) -> None:
        for connection in self._peers.values():
            connection.close()

    def sum_rows(self, change: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the sum of every worker's `change`, (rows, d), with the same bits for all
        workers.

        Only rows that are not zero are sent. All workers must call it with arrays of the same
        shape.

        Raises:
            OSError, EOFError: another worker has gone.
        """
        bounds = [len(change) * worker // self.workers for worker in range(self.workers + 1)]
        parts = [slice(*pair) for pair in pairwise(bounds)]  # the rows that each worker sums
        changed = change.any(axis=1)
        sent = [
            self._senders.submit(_send, peer, change[parts[worker]], changed[parts[worker]])
            for worker, peer in self._peers.items()
        ]
        total = np.zeros_like(change)
        mine, touched = total[parts[self.rank]], changed[parts[self.rank]]
        for worker in range(self.workers):  # in a fixed order, because sums of floats depend on it
            if worker == self.rank:
                mine += change[parts[worker]]
            else:
                touched = touched | _receive(self._peers[worker], mine, add=True)
        _wait(sent)
        sent = [self._senders.submit(_send, peer, mine, touched) for peer in self._peers.values()]
        for worker, peer in self._peers.items():
            _receive(peer, total[parts[worker]], add=False)
        _wait(sent)
        return total


def _call(address: str, rank: int, key: bytes) -> Connection:
    host, _, port = address.partition(" ")
    connection = Client((host, int(port)), authkey=key)
    connection.send_bytes(str(rank).encode())
    return connection


def _send_at_once(connection: Connection) -> None:
    """Disables Nagle's algorithm, by which a message waits until the previous one is acknowledged.

    It costs a sum of few rows 90 ms, because acknowledgements are late.
    """
    with socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as end:
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@contextmanager
def _admitting(key: bytes) -> Iterator[tuple[int, Met]]:
    """Yields the port on which others may call inside the block, and the queue of those who know
    `key`.
    """
    with Listener(("", 0), backlog=1024) as listener:
        port = listener.address[1]
        met: Met = queue.SimpleQueue()
        complete = Event()
        admitting = Thread(target=_admit_all, args=(listener, key, met, complete), daemon=True)
        admitting.start()
        try:
            yield port, met
        finally:
            complete.set()
            with suppress(OSError):  # if no more files can be opened, the thread stays
                socket.create_connection(("127.0.0.1", port)).close()  # lets accept() return
                admitting.join()


def _admit_all(listener: Listener, key: bytes, met: Met, complete: Event) -> None:
    """Answers every caller in a separate thread, because a stranger may never send a word."""
    while not complete.is_set():
        try:
            connection = listener.accept()
        except OSError as error:
            met.put(error)
            return
        Thread(target=_admit, args=(connection, key, met), daemon=True).start()


def _admit(connection: Connection, key: bytes, met: Met) -> None:
    try:
        deliver_challenge(connection, key)
        answer_challenge(connection, key)
        met.put((int(connection.recv_bytes(16)), connection))
    except (OSError, EOFError, AuthenticationError, ValueError):
        connection.close()


def _send(connection: Connection, rows: NDArray[np.float32], mask: NDArray[np.bool_]) -> None:
    """Sends a mask and the rows that it selects."""
    connection.send_bytes(np.packbits(mask).data)
    values = rows if mask.all() else rows[mask]
    if len(values):
        connection.send_bytes(np.ascontiguousarray(values).data)


def _receive(connection: Connection, rows: NDArray[np.float32], add: bool) -> NDArray[np.bool_]:
    """Stores what `_send` sent in `rows`, or adds it to them; returns the mask."""
    packed = np.frombuffer(connection.recv_bytes(), dtype=np.uint8)
    mask = np.unpackbits(packed, count=len(rows)).view(np.bool_)
    values = np.empty((int(mask.sum()), rows.shape[1]), dtype=np.float32)
    if len(values):
        connection.recv_bytes_into(values.reshape(-1))
    if mask.all():
        rows[:] = rows + values if add else values
    else:
        rows[mask] = rows[mask] + values if add else values
    return mask


def _wait(sent: Sequence[Future[None]]) -> None:
    for future in sent:
        future.result()
