"""Where the time of a run went, with estimates of time and cost for other numbers of photos."""

from dataclasses import dataclass, fields

STAGES = ("read", "decode", "infer", "write")
HOUR_S = 3600.0


@dataclass(frozen=True)
class StageTimes:
    """Core seconds that each stage spent on some photos.

    Attributes:
        photos: the number of photos, refused ones included.
        load_s: loading the network, once per worker process.
        read_s: waiting for photos' bytes, from the table or from files.
        decode_s: decoding, summed over all threads.
        infer_s: running the network.
        write_s: passing rows on, and committing them.
    """

    photos: int = 0
    load_s: float = 0.0
    read_s: float = 0.0
    decode_s: float = 0.0
    infer_s: float = 0.0
    write_s: float = 0.0

    def __add__(self, other: "StageTimes") -> "StageTimes":
        return StageTimes(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: "StageTimes") -> "StageTimes":
        return StageTimes(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class Throughput:
    """The measured speed of a run over some photos.

    Attributes:
        times: the stage times, summed over all tasks.
        wall_s: seconds from the first photo to the last.
        cores: the number of cores of the run.
    """

    times: StageTimes
    wall_s: float
    cores: int

    @property
    def photos_per_s(self) -> float:
        """Photos per second of the whole run.

        The time for loading the network is left out because it does not grow with the photos.
        """
        busy_s = self.wall_s - self.times.load_s / self.cores
        return self.times.photos / busy_s if busy_s > 0 else 0.0

    def rates(self) -> dict[str, float]:
        """Returns the photos per second that each stage alone would reach on these cores.

        The stage with the lowest rate is the bottleneck. A stage that took no time has rate 0.
        """
        taken = {stage: getattr(self.times, f"{stage}_s") / self.cores for stage in STAGES}
        return {stage: self.times.photos / s if s > 0 else 0.0 for stage, s in taken.items()}

    def hours(self, photos: int) -> float:
        """Estimates the hours for `photos` photos on the same cores; 0 where nothing was
        measured.
        """
        return photos / self.photos_per_s / HOUR_S if self.photos_per_s else 0.0

    def cost(self, photos: int, core_hour_price: float) -> float:
        """Estimates the cost of `photos` photos, in the currency of the price per core hour."""
        return self.hours(photos) * self.cores * core_hour_price
