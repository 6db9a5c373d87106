"""Leases: one run at a time on a store that has no locks, but writes a file only if there is none.

A lease is a file `NAME.NUMBER.lease` that its holder creates, and a file `NAME.OWNER.beat` that the
holder writes every BEAT_S seconds with a growing number. Whoever asks watches the holder's beat by
its own clock, because clocks of machines differ:

| the asker sees | and then |
|---|---|
| no lease | creates number 1 |
| a beat within STALE_S seconds | is refused |
| no beat for STALE_S seconds | creates the next number, and removes the lower ones |

Of several askers one creates a number. A holder that was suspended meanwhile finds the greater
number, or no lease of its own, at its next beat: it has lost the lease. Until then it may write, so
a lease keeps out a second run, but it is no fence: what it protects must be safe without it.
"""

import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from uuid import uuid4

from devise_lib.storage.faults import NoConditionError, StoreError
from devise_lib.storage.remote import RemoteFiles

BEAT_S = 5.0
STALE_S = 30.0  # six beats, so that a store that is slow for a moment costs no lease
POLL_S = 0.5


class LeaseHeldError(Exception):
    """Another process holds the lease.

    Attributes:
        holder: its host, process and start, for messages.
    """

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


@dataclass(frozen=True)
class Holder:
    """Who holds a lease.

    Attributes:
        owner: unique to this holding.
        host, pid, since: for messages.
    """

    owner: str
    host: str
    pid: int
    since: str

    @classmethod
    def here(cls) -> "Holder":
        """Returns a new holder in this process."""
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return cls(uuid4().hex, socket.gethostname(), os.getpid(), now)

    def __str__(self) -> str:
        return f"on {self.host}, process {self.pid}, since {self.since}"


@dataclass(frozen=True)
class Times:
    """How often a holder beats, and how long an asker waits for a beat, in seconds."""

    beat_s: float = BEAT_S
    stale_s: float = STALE_S


@contextmanager
def hold_lease(
    files: RemoteFiles,
    folder: str,
    name: str,
    on_loss: Callable[[str], None],
    times: Times = Times(),
) -> Iterator[None]:
    """Holds a lease while the body runs.

    Args:
        files: the store.
        folder: of the leases, a URI of the store.
        name: of the lease.
        on_loss: called in another thread, with a message, if this process has lost the lease.
        times: of beats.

    Raises:
        LeaseHeldError: another process holds the lease.
        NoConditionError: the store cannot hold a lease.
        StoreError: the store refuses or does not answer.
    """
    lease = _Lease(files, folder, name)
    lease.take(times)
    ended = threading.Event()
    beats = threading.Thread(
        target=lease.beat_until, args=(ended, on_loss, times.beat_s), name="lease", daemon=True
    )
    beats.start()
    try:
        yield
    finally:
        ended.set()
        beats.join()
        lease.release()


class _Lease:
    """The files of a lease, as one process sees them."""

    def __init__(self, files: RemoteFiles, folder: str, name: str) -> None:
        self._files, self._folder, self._name = files, folder, name
        self._me, self._number, self._beats = Holder.here(), 0, 0

    def take(self, times: Times) -> None:
        while True:
            number, holder = self._current()
            if holder is not None:
                self._watch(holder, number, times)
            self._beat()
            if self._create(number + 1):
                self._number = number + 1
                break
        if self._create(self._number):
            self._files.remove(self._beat_path(self._me))
            raise NoConditionError(
                f"{self._folder}: the store overwrites a file that it should only create"
            )
        for lower, path in self._numbers():
            if lower < self._number:
                self._remove(path)

    def beat_until(
        self, ended: threading.Event, on_loss: Callable[[str], None], beat_s: float
    ) -> None:
        while not ended.wait(beat_s):
            try:
                self._beat()
                number, holder = self._current()
            except StoreError:
                continue  # While the store is out of reach, no other process can take the lease.
            if number != self._number or holder is None or holder.owner != self._me.owner:
                on_loss(f"{self._name}: another process took over, {holder or 'which has ended'}")
                return

    def release(self) -> None:
        """Removes the files; where the store is out of reach, the lease becomes stale by itself."""
        with suppress(StoreError):
            self._remove_mine()

    def _remove_mine(self) -> None:
        number, holder = self._current()
        if holder is not None and holder.owner == self._me.owner:
            self._files.remove(self._lease_path(number))
        self._files.remove(self._beat_path(self._me))

    def _watch(self, holder: Holder, number: int, times: Times) -> None:
        """Returns once the holder has not beaten for long; raises LeaseHeldError if it beats."""
        first = self._files.read(self._beat_path(holder))
        end = time.monotonic() + times.stale_s
        while time.monotonic() < end:
            time.sleep(min(POLL_S, times.beat_s))
            if self._files.read(self._beat_path(holder)) == first:
                continue
            if self._current() == (number, holder):
                raise LeaseHeldError(str(holder))
            return  # It has just ended.

    def _current(self) -> tuple[int, Holder | None]:
        """Returns the greatest number and its holder; 0 and None if there is no lease."""
        while numbers := self._numbers():
            number, path = numbers[-1]
            content = self._files.read(path)
            if content is not None:  # else its holder has just released it
                return number, Holder(**json.loads(content))
        return 0, None

    def _numbers(self) -> list[tuple[int, str]]:
        pattern = re.compile(rf"{re.escape(self._name)}\.(\d+)\.lease")
        try:
            found = self._files.children(self._folder)
        except FileNotFoundError:
            return []
        matches = ((pattern.fullmatch(status.name), status.path) for status in found)
        return sorted((int(match[1]), path) for match, path in matches if match)

    def _create(self, number: int) -> bool:
        content = json.dumps(asdict(self._me)).encode()
        return self._files.create(self._lease_path(number), content)

    def _beat(self) -> None:
        self._beats += 1
        self._files.write(self._beat_path(self._me), str(self._beats).encode())

    def _remove(self, path: str) -> None:
        if content := self._files.read(path):
            self._files.remove(self._beat_path(Holder(**json.loads(content))))
        self._files.remove(path)

    def _lease_path(self, number: int) -> str:
        return f"{self._folder}/{self._name}.{number:04}.lease"

    def _beat_path(self, holder: Holder) -> str:
        return f"{self._folder}/{self._name}.{holder.owner}.beat"
