"""The progress of a run over photos: lines while it runs, and the times that it took."""

import threading
import time
from types import TracebackType

from pyspark import SparkContext

from devise_lib.console import clock, print_line
from devise_lib.numerics.throughput import HOUR_S, StageTimes, Throughput
from devise_lib.spark.photos.inference import TimesParam


class Progress:
    """Counts what tasks report when they end, and prints it every few seconds while it is open.

    Attributes:
        times: the accumulator that tasks add to.
        total: photos to do; 0 if nobody knows, as for a stream without an end.
    """

    def __init__(self, context: SparkContext, name: str, every_s: float, total: int = 0) -> None:
        self.times = context.accumulator(StageTimes(), TimesParam())
        self.total = total
        self._name, self._every_s, self._context = name, every_s, context
        self._cores = count_cores(context)
        self._begun_s = self._warm_s = time.monotonic()
        self._write_s = 0.0
        self._cold = StageTimes()  # of the first batch
        self._stop = threading.Event()
        self._printer = threading.Thread(target=self._print_lines, daemon=True)

    def __enter__(self) -> "Progress":
        self._printer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._printer.join()

    def end_batch(self, write_s: float) -> None:
        """Count a batch.

        Args:
            write_s: wall-clock time in which the run's cores only wrote.
        """
        # A cluster that grows with its work has few cores at first.
        self._cores = max(self._cores, count_cores(self._context))
        self._write_s += write_s * self._cores
        if not self._cold.photos:
            self._cold, self._warm_s = self._times(), time.monotonic()

    def throughput(self) -> Throughput:
        """Return the throughput of the run so far, without its first batch if there are more.

        In the first batch every process loads and compiles its code, however many photos follow.
        """
        times, now = self._times(), time.monotonic()
        if times.photos > self._cold.photos > 0:
            return Throughput(times - self._cold, now - self._warm_s, self._cores)
        return Throughput(times, now - self._begun_s, self._cores)

    def _times(self) -> StageTimes:
        return self.times.value + StageTimes(write_s=self._write_s)

    def line(self) -> str:
        """Return the number of photos done and, with a total, the rate and the time left."""
        so_far, done = self.throughput(), self.times.value.photos
        if not self.total:  # A rate would include the time in which it waits for photos.
            return f"{self._name}  {done:,} photos"
        to_do = max(self.total - done, 0)  # Photos that are looked at again also count.
        left = clock(so_far.hours(to_do) * HOUR_S)
        rate = f"{so_far.photos_per_s:,.1f}/s"
        return f"{self._name}  {done:,} of {self.total:,} photos, {rate}, {left} left"

    def _print_lines(self) -> None:
        printed = 0
        while not self._stop.wait(self._every_s):
            if self.times.value.photos > printed:
                printed = self.times.value.photos
                print_line(self.line(), end="" if self.total else "\n", over=True)


def count_cores(context: SparkContext) -> int:
    """Return the number of cores of the current executors, at least 1.

    Spark's default parallelism is the number of tasks that there should be. On a cluster it is
    configured, or at least two.
    """
    executors = context._jsc.sc().statusStore().executorList(True)  # what its web pages show
    cores = sum(executors.apply(i).totalCores() for i in range(executors.size()))
    return max(cores, 1)


def rates(done: Throughput) -> str:
    """Return a line with the rate of the run, that of each stage alone, and the slowest stage."""
    known = {stage: rate for stage, rate in done.rates().items() if rate}
    slowest = min(known, key=lambda stage: known[stage]) if known else "none"
    stages = ", ".join(f"{stage} {rate:,.0f}" for stage, rate in known.items())
    return (
        f"{done.photos_per_s:,.1f} photos/s on {done.cores} cores; each stage alone would do "
        f"{stages} (the bottleneck: {slowest})"
    )


def forecast(done: Throughput, photos: int, core_hour_price: float) -> str:
    """Return a line with the hours, core-hours and cost of `photos` at the rate of the run.

    Args:
        done: the run.
        photos: number of photos to predict for.
        core_hour_price: cost of a core-hour, in any currency.
    """
    hours = done.hours(photos)
    return (
        f"{photos:,} photos: {hours:,.1f} hours, {hours * done.cores:,.0f} core-hours, "
        f"{done.cost(photos, core_hour_price):,.2f} at {core_hour_price} per core-hour"
    )
