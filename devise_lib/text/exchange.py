"""Sums of changes over workers that train apart, sent from each to each.

Every row has one worker that sums it, so a merge moves a changed row twice a worker (there and
back) whatever the number of workers, and no process holds what all of them sent.
"""

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener

import numpy as np
from numpy.typing import NDArray

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

    def sum_rows(self, change: NDArray[np.float32]) -> NDArray[np.float32]:
        """The sum of every worker's `change`, shape (rows, d) as theirs, the same bits for all.

        Only rows that are not zero travel. All workers call it with the same shape.
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
        for worker in range(self.workers):  # in the order of ranks: sums of floats depend on it
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


def _send(connection: Connection, rows: NDArray[np.float32], mask: NDArray[np.bool_]) -> None:
    """Send the rows of the mask, and the mask."""
    connection.send_bytes(np.packbits(mask).data)
    values = rows if mask.all() else rows[mask]
    if len(values):
        connection.send_bytes(np.ascontiguousarray(values).data)


def _receive(connection: Connection, rows: NDArray[np.float32], add: bool) -> NDArray[np.bool_]:
    """Put what `_send` sent into `rows`, or add it to them; returns the mask."""
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
