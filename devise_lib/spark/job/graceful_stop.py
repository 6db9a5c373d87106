"""A job that goes on until somebody stops it: waiting, and being stopped between two steps."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from devise_lib.console import say

UNCHANGED = "unchanged"
NAP_S = 0.2
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopper:
    """Makes SIGTERM and SIGINT a wish to stop, which the job asks for between its steps.

    Within the `with` the signals end nothing; a second one of a kind does what it did before, so
    that a job that hangs can still be ended. Handlers can be set in a program's main thread
    alone: elsewhere (a job that is called from a thread) only `stop` stops.

    What is sent where: SIGTERM goes to the Python process of the job. Spark's JVM is its child;
    pyspark starts it with SIGINT ignored and its workers in a process group of their own, so
    Ctrl-C in a terminal leaves the session whole. Under spark-submit the JVM is the parent and
    ends at either signal; what was not committed then is done by the next run.
    """

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[signal.Signals, Any] = {}

    @property
    def stopped(self) -> bool:
        """Whether somebody wants the job to stop."""
        return self._asked

    def stop(self) -> None:
        """As a signal would."""
        self._asked = True

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until the job is to stop; whether it is."""
        # In naps: what would wake it is a handler in this very thread, in need of the same lock.
        end = time.monotonic() + seconds
        while not self._asked and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, NAP_S))
        return self._asked

    def __enter__(self) -> "Stopper":
        if threading.current_thread() is threading.main_thread():
            for each in SIGNALS:
                self._before[each] = signal.signal(each, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._restore(*self._before)

    def _handle(self, number: int, _: FrameType | None) -> None:
        self._asked = True
        self._restore(signal.Signals(number))

    def _restore(self, *signals: signal.Signals) -> None:
        for each in signals:
            if each in self._before:
                signal.signal(each, self._before.pop(each))


def repeat(
    step: Callable[[], dict[str, int]], stopper: Stopper, seconds: float, job: str
) -> dict[str, int]:
    """Do a step so often until the job is to stop; prints a line where one did something.

    Args:
        step: gives counts by name.
        stopper: tells when to stop.
        seconds: from the end of a step to the beginning of the next.
        job: for the lines.

    Returns:
        The sums of the counts; of `unchanged`, which says how things are, the last one.
    """
    total: Counter[str] = Counter()
    while True:
        counts = Counter(step())
        last = {UNCHANGED: counts.pop(UNCHANGED)} if UNCHANGED in counts else {}
        total.update(counts)
        if any(counts.values()):
            done = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
            say(f"{job}  {done}")
        if stopper.wait(seconds):
            return {**total, **last}
