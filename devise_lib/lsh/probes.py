"""Multi-probe: the codes near a query's own, in the order in which neighbours are likely there.

Source: Q. Lv et al., Multi-probe LSH, VLDB 2007, section 4.4. A neighbour most probably lies on the
other side of those planes that are close to the query.
"""

import heapq
from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

TRIES = 64  # codes that are tried for each range that is wanted


def flip_sets(costs: NDArray[np.float64]) -> Iterator[tuple[tuple[int, ...], float]]:
    """Yields the sets of bits to flip, the cheapest first, and their costs; no set occurs twice.

    The first set is empty. The cost of a set is the sum of the costs of its bits. Of sets that cost
    the same any may come first.

    Args:
        costs: (bits,), not negative.
    """
    order = np.argsort(costs, kind="stable")
    cheapest_first = costs[order]
    yield (), 0.0
    if not len(costs):
        return
    # A set holds places in `cheapest_first`. From each set come two: one whose last place is moved
    # on, and one that has the next place as well. So each set is made once, from a cheaper one.
    heap: list[tuple[float, tuple[int, ...]]] = [(float(cheapest_first[0]), (0,))]
    while heap:
        cost, places = heapq.heappop(heap)
        yield tuple(int(order[place]) for place in places), cost
        following = places[-1] + 1
        if following < len(costs):
            more = float(cheapest_first[following])
            moved = cost - float(cheapest_first[places[-1]]) + more
            heapq.heappush(heap, (moved, (*places[:-1], following)))
            heapq.heappush(heap, (cost + more, (*places, following)))


def probe_codes(margins: NDArray[np.float64]) -> Iterator[int]:
    """Yields the codes to look up for one query in one table, the most promising first.

    The first is the query's own code. The cost of a flipped bit is the square of its margin.

    Args:
        margins: (bits,), of `Hash.margins`.
    """
    bits = len(margins)
    values = [1 << (bits - 1 - bit) for bit in range(bits)]
    own = sum(value for value, margin in zip(values, margins.tolist(), strict=True) if margin > 0)
    for flipped, _ in flip_sets(margins**2):
        yield own ^ sum(values[bit] for bit in flipped)


def probe_ranges(
    starts: NDArray[np.int64], margins: NDArray[np.float64], probes: int
) -> NDArray[np.int64]:
    """Returns the ranges of codes to look up for one query in one table, rising.

    Codes come in the order of `probe_codes`. Many of them lie in a range that another one has led
    to, so more are tried until there are enough ranges, or TRIES for each.

    Args:
        starts: the first code of each range, rising, as `ranges.code_ranges` returns them.
        margins: (bits,), of `Hash.margins`.
        probes: the number of ranges, at least 1.

    Returns:
        At most `probes` numbers of ranges; that of the query's own code is among them.
    """
    found: set[int] = set()
    wanted = min(probes, len(starts))
    for code in islice(probe_codes(margins), TRIES * probes):
        found.add(bisect_right(starts, code) - 1)
        if len(found) == wanted:
            break
    return np.array(sorted(found), np.int64)
