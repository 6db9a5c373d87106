"""Search settings of an index, and what they give."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class SearchSettings:
    """How thoroughly an index is searched.

    Attributes:
        nprobe: inverted lists that are searched per query.
        ef_search: how thoroughly the graph over the centroids is searched; 0 if there is none.
        k_factor: this many times k results are ranked anew; 0 for an index without refinement.
    """

    nprobe: int
    ef_search: int = 0
    k_factor: int = 0

    def __str__(self) -> str:
        """Returns the settings as FAISS's ParameterSpace().set_index_parameters takes them."""
        parts = [f"nprobe={self.nprobe}"]
        if self.ef_search:
            parts.append(f"quantizer_efSearch={self.ef_search}")
        if self.k_factor:
            parts.append(f"k_factor_rf={self.k_factor}")
        return ",".join(parts)

    def for_share(self, share: float, nlist: int) -> "SearchSettings":
        """Returns the settings with which about as many photos are compared as without a filter.

        Args:
            share: of all photos, that the filter leaves.
            nlist: the lists of the index.
        """
        if not 0 < share < 1:
            return self
        return replace(self, nprobe=min(math.ceil(self.nprobe / share), nlist))


@dataclass(frozen=True)
class Point:
    """What search settings give.

    Attributes:
        settings: of the search.
        recall: the mean share of the exact k results that are found, in [0, 1].
        low, high: the 95 % confidence interval of the recall.
        queries_per_s: on all threads, many queries at once.
        latency_ms: of a single query on one thread.
    """

    settings: SearchSettings
    recall: float
    low: float
    high: float
    queries_per_s: float
    latency_ms: float

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Point":
        """Reads what `dataclasses.asdict` returned."""
        return cls(**{**values, "settings": SearchSettings(**values["settings"])})
