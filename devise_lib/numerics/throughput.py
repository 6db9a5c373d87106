"""Where the time of a run went, what it would take for more photos, and what that would cost."""

from dataclasses import dataclass, fields

STAGES = ("read", "decode", "infer", "write")
HOUR_S = 3600.0


@dataclass(frozen=True)
class StageTimes:
    """Seconds that cores spent on each stage of some photos.

    Attributes:
        photos: how many, refused ones included.
        load_s: loading the network, once a worker process.
        read_s: waiting for photos' bytes, from the table or from their paths.
        decode_s: decoding them, all threads together.
        infer_s: in the network.
        write_s: handing rows on, and committing them.
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
    """A run over some photos.

    Attributes:
        times: of its tasks, added up.
        wall_s: from its first photo to its last.
        cores: that it had.
    """

    times: StageTimes
    wall_s: float
    cores: int

    @property
    def photos_per_s(self) -> float:
        """Of the whole run, the loading of the network left out: that does not grow with photos."""
        busy_s = self.wall_s - self.times.load_s / self.cores
        return self.times.photos / busy_s if busy_s > 0 else 0.0

    def rates(self) -> dict[str, float]:
        """Photos/s that each stage alone would do on these cores; the least is the bottleneck."""
        taken = {stage: getattr(self.times, f"{stage}_s") / self.cores for stage in STAGES}
        return {stage: self.times.photos / s if s > 0 else 0.0 for stage, s in taken.items()}

    def hours(self, photos: int) -> float:
        """Hours for so many photos on the same cores; 0 where nothing was measured."""
        return photos / self.photos_per_s / HOUR_S if self.photos_per_s else 0.0

    def cost(self, photos: int, core_hour_price: float) -> float:
        """Of so many photos, in the currency of the price."""
        return self.hours(photos) * self.cores * core_hour_price
