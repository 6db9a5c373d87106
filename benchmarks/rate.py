"""The result of a benchmark."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """A comparison with a peer.

    Attributes:
        what: the work.
        unit: of both rates, such as rows/s.
        ours, peer: the rates.
        peer_name: what ours is compared with.
        quality: the quality of both results, in words, because speed alone says little.
    """

    what: str
    unit: str
    ours: float
    peer: float
    peer_name: str
    quality: str
