"""Multi-probe: the codes near a query's own, in the order in which neighbours are likely there.

Source: Q. Lv et al., Multi-probe LSH, VLDB 2007, section 4.4. A neighbour most probably lies on the
other side of those planes that are close to the query.
"""

import heapq
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


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


def probe_codes(margins: NDArray[np.float64], probes: int) -> NDArray[np.int64]:
    """Returns the codes to look up for one query in one table, the most promising first.

    The cost of a flipped bit is the square of its margin.

    Args:
        margins: (bits,), of `Hash.margins`.
        probes: the number of codes, at least 1.

    Returns:
        (min(probes, 2^bits),); the first is the query's own code.
    """
    bits = len(margins)
    values = np.int64(1) << np.arange(bits - 1, -1, -1, dtype=np.int64)
    own = int((margins > 0) @ values)
    found = []
    for flipped, _ in flip_sets(margins**2):
        found.append(own ^ sum(int(values[bit]) for bit in flipped))
        if len(found) == probes:
            break
    return np.array(found, np.int64)
