"""Work done in threads ahead of the one that wants its results, in order, with a time limit."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Generic, TypeVar

from devise_lib.errors import InputError

MOST_ABANDONED = 200  # threads of one caller that hang
Item = TypeVar("Item")
Result = TypeVar("Result")


class _Slot(Generic[Item, Result]):
    """One item on its way through a thread."""

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
    """The results of `work`, in the order of the items, made ahead of the caller.

    A thread that outlasts the limit cannot be stopped (a read from a dead mount sleeps in the
    kernel): it is left alone, and another takes its place. Threads never keep a process alive.

    Args:
        work: called in a thread; what it raises is raised to the caller, in the item's place.
        items: taken in the caller's thread.
        threads: how many work at once.
        ahead: the most that items in work and results not taken yet may weigh together; one item
            is taken whatever it weighs.
        weigh: an item's weight.
        limit_s: seconds that `work` may take for an item.
        late: gives the result of an item that took longer; wanted with a limit.

    Raises:
        InputError: MOST_ABANDONED threads hang; what they wait for will not come.
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
                        f"{slot.item!r:.300}: see to the mount or store that they lie on, and run "
                        "it again"
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
    """Wait for a slot. Slots begin in order, so the first one's thread has begun or is about to."""
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
