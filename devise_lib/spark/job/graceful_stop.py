"""Jobs that run until they are stopped: the flag that stops them, and the loop of their steps."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from devise_lib.console import print_line

UNCHANGED = "unchanged"
NAP_S = 0.2
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignal:
    """Turns SIGTERM and SIGINT into a flag that the job checks between steps.

    Within the `with` block a first signal only sets the flag. A second signal of the same kind has
    its former effect, so that a job that hangs can still be ended. Python lets a program set
    handlers in its main thread only. In any other thread only `request` sets the flag.

    SIGTERM goes to the Python process of the job. Spark's JVM is its child. PySpark starts the
    JVM with SIGINT ignored and the workers in a process group of their own, so Ctrl-C leaves the
    session whole. Under spark-submit the JVM is the parent and ends at either signal. The next run
    then does what was not committed.
    """

    def __init__(self) -> None:
        self._requested = False
        self._before: dict[signal.Signals, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether the job has been asked to stop after the current step."""
        return self._requested

    def request(self) -> None:
        """Set the flag, as a signal does."""
        self._requested = True

    def wait(self, seconds: float) -> bool:
        """Wait for some seconds or until the flag is set, and return whether it is set."""
        # In naps, because the handler runs in this very thread and could take no lock to wake it.
        end = time.monotonic() + seconds
        while not self._requested and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, NAP_S))
        return self._requested

    def __enter__(self) -> "StopSignal":
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
        self._requested = True
        self._restore(signal.Signals(number))

    def _restore(self, *signals: signal.Signals) -> None:
        for each in signals:
            if each in self._before:
                signal.signal(each, self._before.pop(each))


def repeat(
    step: Callable[[], dict[str, int]], stop_signal: StopSignal, seconds: float, job: str
) -> dict[str, int]:
    """Repeat a step until the job is to stop; print a line for each step that changed something.

    Args:
        step: does the work once, and returns counts by name.
        stop_signal: its flag ends the loop after the current step.
        seconds: pause between the end of a step and the beginning of the next.
        job: its name, which begins each line.

    Returns:
        The sum of each count; of `unchanged`, which describes a state, the last value.
    """
    total: Counter[str] = Counter()
    while True:
        counts = Counter(step())
        last = {UNCHANGED: counts.pop(UNCHANGED)} if UNCHANGED in counts else {}
        total.update(counts)
        if any(counts.values()):
            done = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
            print_line(f"{job}  {done}")
        if stop_signal.wait(seconds):
            return {**total, **last}
