"""Sums of changes over workers that train apart, sent from each to each.

Every row has one worker that sums it, so a merge moves a changed row twice a worker (there and
back) whatever the number of workers, and no process holds what all of them sent.
"""

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener

import numpy as np
from numpy.typing import NDArray

Rows = tuple[NDArray[np.int32], NDArray[np.float32]]  # places (n,), ascending; values (n, d)
Gather = Callable[[str], list[str]]  # each worker gives a text, and gets those of all, by rank


class Exchange:
    """One worker's connections with all others.

    Only raw numbers travel: nothing that comes is unpickled. Both ends prove that they know `key`
    (HMAC); the numbers themselves are not encrypted.

    Args:
        rank: this worker's number, from 0.
        host: a name of this machine that the others reach.
        gather: exchanges the addresses; called once, by all workers.
        key: a secret that all workers share.

    Raises:
        OSError, EOFError: another worker cannot be reached, or has gone; also by `sum_rows`.
    """

    def __init__(self, rank: int, host: str, gather: Gather, key: bytes) -> None:
        with Listener((host, 0), backlog=1024, authkey=key) as listener:
            addresses = gather(f"{listener.address[0]} {listener.address[1]}")
            self.rank, self.workers = rank, len(addresses)
            self._peers: dict[int, Connection] = {}
            for peer in range(rank):
                address, _, port = addresses[peer].partition(" ")
                connection = Client((address, int(port)), authkey=key)
                connection.send_bytes(str(rank).encode())
                self._peers[peer] = connection
            while len(self._peers) < self.workers - 1:
                with contextlib.suppress(AuthenticationError, EOFError, ConnectionError):
                    connection = listener.accept()  # whoever lacks the key is turned away
                    self._peers[int(connection.recv_bytes(16))] = connection
        self._senders = ThreadPoolExecutor(max(1, self.workers - 1))

    def close(self) -> None:
        """Close the connections."""
        self._senders.shutdown()
        for connection in self._peers.values():
            connection.close()

    def sum_rows(self, change: NDArray[np.float32]) -> Rows:
        """The sum of every worker's `change`, as the rows in which any of them is not zero.

        All workers call it with the same shape (rows, d), and get the same bits.
        """
        changed = np.flatnonzero(change.any(axis=1)).astype(np.int32)
        rows, dimension = change.shape
        mine = np.zeros((len(range(self.rank, rows, self.workers)), dimension), dtype=np.float32)
        touched = np.zeros(len(mine), dtype=bool)
        parts = [changed[changed % self.workers == owner] for owner in range(self.workers)]
        sent = [
            self._senders.submit(_send, self._peers[peer], parts[peer], change[parts[peer]])
            for peer in self._peers
        ]
        for worker in range(self.workers):  # in the order of ranks: sums of floats depend on it
            if worker == self.rank:
                places, values = parts[worker], change[parts[worker]]
            else:
                places, values = _receive(self._peers[worker], dimension)
            mine[places // self.workers] += values
            touched[places // self.workers] = True
        summed = np.flatnonzero(touched).astype(np.int32)
        result = (summed * self.workers + self.rank, mine[summed])
        _wait(sent)
        sent = [self._senders.submit(_send, peer, *result) for peer in self._peers.values()]
        results = {self.rank: result}
        for worker, peer in self._peers.items():
            results[worker] = _receive(peer, dimension)
        _wait(sent)
        places = np.concatenate([results[worker][0] for worker in range(self.workers)])
        values = np.concatenate([results[worker][1] for worker in range(self.workers)])
        return places, values


def _send(connection: Connection, places: NDArray[np.int32], values: NDArray[np.float32]) -> None:
    connection.send_bytes(np.ascontiguousarray(places).data)
    if len(places):
        connection.send_bytes(np.ascontiguousarray(values).data)


def _receive(connection: Connection, dimension: int) -> Rows:
    places = np.frombuffer(connection.recv_bytes(), dtype=np.int32)
    values = np.empty((len(places), dimension), dtype=np.float32)
    if len(places):
        connection.recv_bytes_into(values.reshape(-1))
    return places, values


def _wait(sent: Sequence[Future[None]]) -> None:
    for future in sent:
        future.result()
