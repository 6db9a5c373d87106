"""Runs work in threads ahead of the consumer, keeps the order, and applies a time limit per
item.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Generic, TypeVar

from devise_lib.errors import InputError

MOST_ABANDONED = 200  # hanging threads per caller
Item = TypeVar("Item")
Result = TypeVar("Result")


class _Slot(Generic[Item, Result]):
    """An item on its way through a thread, and its result."""

    def __init__(self, item: Item, weight: int) -> None:
        self.item, self.weight = item, weight
        self.begun, self.ended = threading.Event(), threading.Event()
        self.began_s = 0.0
        self.abandoned = False
        self.result: Result | None = None
        self.error: BaseException | None = None


def prefetch_map(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    threads: int,
    ahead: int,
    weigh: Callable[[Item], int] = lambda _: 1,
    limit_s: float = float("inf"),
    late: Callable[[Item], Result] | None = None,
) -> Iterator[Result]:
    """Yields the results of `work` in the order of the items, computed ahead of the caller.

    A thread that exceeds the limit cannot be stopped, because a read from a dead mount sleeps in
    the kernel. The thread is abandoned and replaced. Abandoned threads never keep a process alive.

    Args:
        work: called in a thread. Its exception is raised to the caller at the item's turn.
        items: consumed in the caller's thread.
        threads: how many work at once.
        ahead: the limit for the total weight of items in work and results not yet taken. One item
            is always allowed, whatever its weight.
        weigh: returns an item's weight.
        limit_s: seconds that `work` may take per item.
        late: returns the result for an item that exceeded the limit; required with a limit.

    Raises:
        InputError: more than MOST_ABANDONED threads hang, so their mount or store is dead.
        TimeoutError: an item exceeded the limit, and `late` is None.
    """
    todo: SimpleQueue[_Slot[Item, Result] | None] = SimpleQueue()
    source, held, waiting = iter(items), 0, deque[_Slot[Item, Result]]()
    more, abandoned = True, 0
    for _ in range(threads):
        _start(work, todo)
    try:
        while True:
            while more and (held < ahead or not waiting):
                try:
                    item = next(source)
                except StopIteration:
                    more = False
                    break
                slot = _Slot[Item, Result](item, weigh(item))
                held += slot.weight
                waiting.append(slot)
                todo.put(slot)
            if not waiting:
                return
            slot = waiting.popleft()
            if not _ends_in_time(slot, limit_s):
                slot.abandoned = True
                abandoned += 1
                if abandoned > MOST_ABANDONED:
                    raise InputError(
                        f"{abandoned} files took longer than {limit_s:g} s each, the last one "
                        f"{slot.item!r:.300}: check the mount or store that holds them, then run "
                        "the job again"
                    )
                _start(work, todo)
                if late is None:
                    raise TimeoutError(f"{slot.item!r} took longer than {limit_s} s")
                yield late(slot.item)
            elif slot.error is not None:
                raise slot.error
            else:
                yield slot.result  # type: ignore[misc]  # Result may itself allow None
            held -= slot.weight
    finally:
        for _ in range(threads):
            todo.put(None)


def _ends_in_time(slot: _Slot[Item, Result], limit_s: float) -> bool:
    """Waits for a slot. Slots begin in order, so the first one's thread has begun or will at
    once.
    """
    if limit_s == float("inf"):
        return slot.ended.wait()
    slot.begun.wait()
    left_s = limit_s - (time.monotonic() - slot.began_s)
    return slot.ended.wait(max(left_s, 0.0))


def _start(work: Callable[[Item], Result], todo: "SimpleQueue[_Slot[Item, Result] | None]") -> None:
    threading.Thread(target=_run, args=(work, todo), daemon=True).start()


def _run(work: Callable[[Item], Result], todo: "SimpleQueue[_Slot[Item, Result] | None]") -> None:
    while (slot := todo.get()) is not None:
        slot.began_s = time.monotonic()
        slot.begun.set()
        try:
            slot.result = work(slot.item)
        except BaseException as error:  # the caller's thread raises it
            slot.error = error
        slot.ended.set()
        if slot.abandoned:
            return  # another thread has its place
