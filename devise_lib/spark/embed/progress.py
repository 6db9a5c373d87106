"""How far a run over photos has come, told while it runs, and what it took."""

import threading
import time
from types import TracebackType

from pyspark import SparkContext

from devise_lib.console import print_line
from devise_lib.numerics.throughput import HOUR_S, StageTimes, Throughput
from devise_lib.spark.photos.inference import TimesParam

MINUTE_S = 60


class Progress:
    """Counts what tasks report as they end, and tells it every few seconds while it is open.

    Attributes:
        times: the accumulator that tasks add to.
        total: photos that there are to do; 0: nobody knows, as of a stream without an end.
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
        self._teller = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> "Progress":
        self._teller.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._teller.join()

    def end_batch(self, write_s: float) -> None:
        """Count a batch in.

        Args:
            write_s: wall-clock time in which the run's cores did nothing but write.
        """
        # A cluster that grows with its work has a few at first.
        self._cores = max(self._cores, count_cores(self._context))
        self._write_s += write_s * self._cores
        if not self._cold.photos:
            self._cold, self._warm_s = self._times(), time.monotonic()

    def throughput(self) -> Throughput:
        """Of the run so far, without its first batch where there are more.

        In that one every process loads and compiles what it runs, however many photos follow.
        """
        times, now = self._times(), time.monotonic()
        if times.photos > self._cold.photos > 0:
            return Throughput(times - self._cold, now - self._warm_s, self._cores)
        return Throughput(times, now - self._begun_s, self._cores)

    def _times(self) -> StageTimes:
        return self.times.value + StageTimes(write_s=self._write_s)

    def line(self) -> str:
        """Photos done; where there is a total, of how many, photos/s, and the time that is left."""
        so_far, done = self.throughput(), self.times.value.photos
        if not self.total:  # a rate would count the time in which it waits for photos
            return f"{self._name}  {done:,} photos"
        to_do = max(self.total - done, 0)  # those that are looked at again count as well
        left = clock(so_far.hours(to_do) * HOUR_S)
        rate = f"{so_far.photos_per_s:,.1f}/s"
        return f"{self._name}  {done:,} of {self.total:,} photos, {rate}, {left} left"

    def _tell(self) -> None:
        told = 0
        while not self._stop.wait(self._every_s):
            if self.times.value.photos > told:
                told = self.times.value.photos
                print_line(self.line(), end="" if self.total else "\n", over=True)


def count_cores(context: SparkContext) -> int:
    """Cores of the executors that there are now, 1 at least.

    Spark's default parallelism is how many tasks there should be: on a cluster it is set, or two
    at least.
    """
    executors = context._jsc.sc().statusStore().executorList(True)  # what its web pages show
    cores = sum(executors.apply(i).totalCores() for i in range(executors.size()))
    return max(cores, 1)


def clock(seconds: float) -> str:
    """A length of time in its two greatest units."""
    minutes, hours = int(seconds // MINUTE_S), int(seconds // HOUR_S)
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {int(seconds % MINUTE_S)} s"


def rates(done: Throughput) -> str:
    """Where the time went."""
    known = {stage: rate for stage, rate in done.rates().items() if rate}
    slowest = min(known, key=lambda stage: known[stage]) if known else "none"
    stages = ", ".join(f"{stage} {rate:,.0f}" for stage, rate in known.items())
    return (
        f"{done.photos_per_s:,.1f} photos/s on {done.cores} cores; each stage alone would do "
        f"{stages} (the bottleneck: {slowest})"
    )


def forecast(done: Throughput, photos: int, core_hour_price: float) -> str:
    """What `photos` would take and cost at this rate."""
    hours = done.hours(photos)
    return (
        f"{photos:,} photos: {hours:,.1f} hours, {hours * done.cores:,.0f} core-hours, "
        f"{done.cost(photos, core_hour_price):,.2f} at {core_hour_price} a core-hour"
    )
