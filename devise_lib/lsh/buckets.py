"""Statistics of buckets: whether a hash spreads the vectors, and what to try if it does not."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEAST_BALANCE = 0.1  # the share of ones or zeros in a bit, below which it tells almost nothing
LEAST_ENTROPY = 0.6  # of the bits; a hash of 14 bits with constant ones had 0.48, a good one 0.70
MOST_SHARE = 0.02  # of the vectors with which one is compared per table

REMEDIES = ("hyperplanes", "centred", "median", "pca")  # in the order to try them


@dataclass(frozen=True)
class TableStatistics:
    """How one hash table spreads vectors over its buckets.

    Attributes:
        photos: the number of vectors.
        bits: of the buckets, which are prefixes of the codes.
        occupied: buckets that hold a vector.
        largest: vectors in the largest bucket.
        expected_candidates: vectors in the bucket of a random vector, itself included: n sum p^2.
        entropy: of the bucket of a random vector, in bits; log2 of the occupied buckets at most.
        balance: the share of ones in each bit of the codes.
    """

    photos: int
    bits: int
    occupied: int
    largest: int
    expected_candidates: float
    entropy: float
    balance: Sequence[float]

    @property
    def largest_share(self) -> float:
        """The share of the vectors that the largest bucket holds."""
        return self.largest / self.photos

    @property
    def possible_entropy(self) -> float:
        """The entropy of vectors that are spread over all buckets, in bits."""
        return min(self.bits, math.log2(self.photos))


def advise(tables: Sequence[TableStatistics], kind: str) -> list[str]:
    """Returns what is wrong with the buckets of a hash and which remedy to try, a line each.

    Args:
        tables: statistics of each hash table, at least one.
        kind: of the hash, a `fitting.HashKind`.
    """
    bits = [share for table in tables for share in table.balance]
    constant = sum(min(share, 1 - share) < LEAST_BALANCE for share in bits)
    spread = [t.entropy / t.possible_entropy for t in tables if t.possible_entropy > 0]
    entropy = sum(spread) / len(spread) if spread else 1.0
    share = max(table.expected_candidates / table.photos for table in tables)
    found = []
    if constant:
        cone = ", probably because they lie in a cone" if kind == "hyperplanes" else ""
        found.append(
            f"{constant} of {len(bits)} bits are the same for over {1 - LEAST_BALANCE:.0%} of the "
            f"photos{cone}: {_remedy(kind)}"
        )
    if entropy < LEAST_ENTROPY:
        found.append(f"buckets have {entropy:.0%} of the possible entropy: {_remedy(kind)}")
    elif share > MOST_SHARE and tables[0].bits >= -math.log2(MOST_SHARE):
        found.append(
            f"a photo shares its bucket with {share:.1%} of all photos in a table: {_remedy(kind)}"
        )
    return found


def _remedy(kind: str) -> str:
    """Returns what to try next for a hash of a kind."""
    if kind in REMEDIES[:-1]:
        return f'try build_signatures.hash = "{REMEDIES[REMEDIES.index(kind) + 1]}"'
    return (
        "the photos form clusters that no hyperplanes even out; find_neighbours goes deeper there "
        "by itself, and the index of build_index is the other way"
    )
