"""Runs work in threads ahead of the consumer, keeps the order, and applies a time limit per
item.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

from devise_lib.errors import InputError

MOST_ABANDONED = 200  # hanging threads per caller
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class PrefetchLimits:
    """How much is done ahead of the caller.

    Attributes:
        threads: how many work at once.
        ahead: the limit for the total weight of items in work and results not yet taken. One item
            is always allowed, whatever its weight.
        limit_s: seconds that the work may take per item.
    """

    threads: int
    ahead: int
    limit_s: float = float("inf")


def prefetch_map(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    limits: PrefetchLimits,
    *,
    weigh: Callable[[Item], int] = lambda _: 1,
    late: Callable[[Item], Result] | None = None,
) -> Iterator[Result]:
    """Yields the results of `work` in the order of the items, computed ahead of the caller.

    A thread that exceeds the limit cannot be stopped, because a read from a dead mount sleeps in
    the kernel. The thread is abandoned and replaced. Abandoned threads never keep a process alive.

    Args:
        work: called in a thread. Its exception is raised to the caller at the item's turn.
        items: consumed in the caller's thread.
        limits: of threads, weight and time.
        weigh: returns an item's weight.
        late: returns the result for an item that exceeded the limit; required with a limit.

    Raises:
        InputError: more than MOST_ABANDONED threads hang, so their mount or store is dead.
        TimeoutError: an item exceeded the limit, and `late` is None.
    """
    source, held, waiting = iter(items), 0, deque[_Slot[Item, Result]]()
    pool = _Pool(work, limits)
    try:
        while True:
            while held < limits.ahead or not waiting:
                try:
                    item = next(source)
                except StopIteration:
                    break
                waiting.append(pool.begin(item, weigh(item)))
                held += waiting[-1].weight
            if not waiting:
                return
            slot = waiting.popleft()
            if slot.ends_within(limits.limit_s):
                yield slot.outcome()
            else:
                pool.abandon(slot)
                if late is None:
                    raise TimeoutError(f"{slot.item!r} took longer than {limits.limit_s} s")
                yield late(slot.item)
            held -= slot.weight
    finally:
        pool.close()


class _Slot(Generic[Item, Result]):
    """An item on its way through a thread, and its result."""

    def __init__(self, item: Item, weight: int) -> None:
        self.item, self.weight = item, weight
        self._begun, self._ended = threading.Event(), threading.Event()
        self._began_s = 0.0
        self.abandoned = False
        self._result: Result | None = None
        self._error: BaseException | None = None

    def run(self, work: Callable[[Item], Result]) -> None:
        self._began_s = time.monotonic()
        self._begun.set()
        try:
            self._result = work(self.item)
        except BaseException as error:  # the caller's thread raises it
            self._error = error
        self._ended.set()

    def ends_within(self, limit_s: float) -> bool:
        """Waits for it. Slots begin in order, so the first one's thread has begun or will at
        once.
        """
        if limit_s == float("inf"):
            return self._ended.wait()
        self._begun.wait()
        left_s = limit_s - (time.monotonic() - self._began_s)
        return self._ended.wait(max(left_s, 0.0))

    def outcome(self) -> Result:
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # Result may itself allow None


class _Pool(Generic[Item, Result]):
    """The threads, and the queue of slots that they take in order."""

    def __init__(self, work: Callable[[Item], Result], limits: PrefetchLimits) -> None:
        self._work, self._limits, self._abandoned, self._started = work, limits, 0, 0
        self._todo: SimpleQueue[_Slot[Item, Result] | None] = SimpleQueue()
        for _ in range(limits.threads):
            self._start()

    def begin(self, item: Item, weight: int) -> _Slot[Item, Result]:
        slot = _Slot[Item, Result](item, weight)
        self._todo.put(slot)
        return slot

    def abandon(self, slot: _Slot[Item, Result]) -> None:
        """Gives a slot up, and starts a thread in place of its own; InputError if many hang."""
        slot.abandoned = True
        self._abandoned += 1
        if self._abandoned > MOST_ABANDONED:
            raise InputError(
                f"{self._abandoned} files took longer than {self._limits.limit_s:g} s each, the "
                f"last one {slot.item!r:.300}: check the mount or store that holds them, then run "
                "the job again"
            )
        self._start()

    def close(self) -> None:
        for _ in range(self._started):  # an abandoned one may have ended its item after all
            self._todo.put(None)

    def _start(self) -> None:
        self._started += 1
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while (slot := self._todo.get()) is not None:
            slot.run(self._work)
            if slot.abandoned:
                return  # another thread has its place
