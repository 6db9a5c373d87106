"""Leases: one run at a time on a store that has no locks, but writes a file only if there is none.

A lease is a file `NAME.NUMBER.lease` that its holder creates, and a file `NAME.OWNER.beat` that the
holder writes every BEAT_S seconds with a growing number. Numbers only grow: a holder that has ended
leaves its file with a mark, and whoever is next creates the next number and removes lower ones.
Whoever asks watches the holder's beat by its own clock, because clocks of machines differ:

| the asker sees | and then |
|---|---|
| no lease, or one with the mark | creates the next number |
| a beat within STALE_S seconds | is refused |
| no beat for STALE_S seconds | creates the next number |

Of several askers one creates a number. One that finds a greater number afterwards asks again. A
holder has lost the lease if there is a greater number, or if it could write no beat for STALE_S
seconds. It notices at its next beat, and until then it may write. So a lease keeps out a second run
and is no fence: what it protects must be safe without it.
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
RELEASED = b"released"


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

    @classmethod
    def read(cls, content: bytes) -> "Holder | None":
        """Returns the holder that a lease names; None if it has ended.

        A file of another form, as of another version, counts as one of an unknown holder.
        """
        if content == RELEASED:
            return None
        try:
            return cls(**json.loads(content))
        except (ValueError, TypeError):
            return cls("unknown", "an unknown host", 0, "an unknown time")

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
    on_wait: Callable[[str], None] = lambda holder: None,  # noqa: ARG005
    times: Times = Times(),
) -> Iterator[None]:
    """Holds a lease while the body runs.

    Args:
        files: the store.
        folder: of the leases, a URI of the store.
        name: of the lease.
        on_loss: called in another thread, with a message, if this process has lost the lease.
        on_wait: called with the holder if it has not beaten for two beats.
        times: of beats.

    Raises:
        LeaseHeldError: another process holds the lease.
        NoConditionError: the store cannot hold a lease.
        StoreError: the store refuses or does not answer.
    """
    lease = _Lease(files, folder, name, times)
    lease.take(on_wait)
    ended = threading.Event()
    beats = threading.Thread(
        target=lease.beat_until, args=(ended, on_loss), name="lease", daemon=True
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

    def __init__(self, files: RemoteFiles, folder: str, name: str, times: Times) -> None:
        self._files, self._folder, self._name, self._times = files, folder, name, times
        self._me, self._number, self._beats = Holder.here(), 0, 0

    def take(self, on_wait: Callable[[str], None]) -> None:
        try:
            while not self._number:
                number, holder = self._current()
                if holder is not None:
                    self._watch(holder, number, on_wait)
                self._beat()
                if self._create(number + 1):
                    self._number = number + 1
                    self._require_condition()
                    if self._current()[0] > self._number:  # It was taken and left meanwhile.
                        self._files.remove(self._path(self._number))
                        self._number = 0
        except BaseException:
            self._files.remove(self._beat_path(self._me))
            raise
        for lower, path in self._numbers():
            if lower < self._number:
                self._remove(path)

    def beat_until(self, ended: threading.Event, on_loss: Callable[[str], None]) -> None:
        last = time.monotonic()
        while not ended.wait(self._times.beat_s):
            try:
                self._beat()
                number, holder = self._current()
            except StoreError as error:
                if time.monotonic() - last > self._times.stale_s:
                    on_loss(f"{self._name}: it holds its lease no longer: {error}")
                    return
                continue
            last = time.monotonic()
            if number != self._number:
                with suppress(StoreError):
                    self._files.remove(self._beat_path(self._me))
                on_loss(f"{self._name}: another process took over, {holder or 'and has ended'}")
                return

    def release(self) -> None:
        """Marks the lease; where the store is out of reach, it becomes stale by itself."""
        with suppress(StoreError):
            if self._current()[0] == self._number:
                self._files.write(self._path(self._number), RELEASED)
            self._files.remove(self._beat_path(self._me))

    def _watch(self, holder: Holder, number: int, on_wait: Callable[[str], None]) -> None:
        """Returns once the holder has not beaten for long, or has ended.

        Raises:
            LeaseHeldError: the holder beats.
        """
        first = self._files.read(self._beat_path(holder))
        begun, told = time.monotonic(), False
        end = begun + self._times.stale_s
        while True:
            time.sleep(min(POLL_S, self._times.beat_s))
            is_over = time.monotonic() >= end  # before the look, which may take long
            if self._files.read(self._beat_path(holder)) != first:
                if self._current() == (number, holder):
                    raise LeaseHeldError(str(holder))
                return
            if is_over:
                return
            if not told and time.monotonic() - begun > 2 * self._times.beat_s:
                on_wait(str(holder))
                told = True

    def _require_condition(self) -> None:
        """Raises NoConditionError if the store creates a file that there is already."""
        if self._create(self._number, own=False):
            self._files.remove(self._path(self._number))
            raise NoConditionError(
                f"{self._folder}: the store overwrites a file that it should only create"
            )

    def _current(self) -> tuple[int, Holder | None]:
        """Returns the greatest number and its holder; None for one that has ended."""
        while numbers := self._numbers():
            number, path = numbers[-1]
            content = self._files.read(path)
            if content is not None:  # else the next holder has just removed it
                return number, Holder.read(content)
        return 0, None

    def _numbers(self) -> list[tuple[int, str]]:
        pattern = re.compile(rf"{re.escape(self._name)}\.(\d+)\.lease")
        try:
            found = self._files.children(self._folder)
        except FileNotFoundError:
            return []
        matches = ((pattern.fullmatch(status.name), status.path) for status in found)
        return sorted((int(match[1]), path) for match, path in matches if match)

    def _create(self, number: int, own: bool = True) -> bool:
        """Creates a number; with `own`, also returns True if a lost answer hid that it was done."""
        content = json.dumps(asdict(self._me)).encode()
        if self._files.create(self._path(number), content):
            return True
        return own and self._files.read(self._path(number)) == content

    def _beat(self) -> None:
        self._beats += 1
        self._files.write(self._beat_path(self._me), str(self._beats).encode())

    def _remove(self, path: str) -> None:
        content = self._files.read(path)
        if content and (holder := Holder.read(content)):
            self._files.remove(self._beat_path(holder))
        self._files.remove(path)

    def _path(self, number: int) -> str:
        return f"{self._folder}/{self._name}.{number:04}.lease"

    def _beat_path(self, holder: Holder) -> str:
        return f"{self._folder}/{self._name}.{holder.owner}.beat"
