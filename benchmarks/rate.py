"""What a benchmark gives."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """One comparison.

    Attributes:
        what: the work.
        unit: of both rates, such as rows/s.
        ours, peer: the rates.
        peer_name: what ours is compared with.
        quality: what both got right, in words; speed alone says little.
    """

    what: str
    unit: str
    ours: float
    peer: float
    peer_name: str
    quality: str
