"""The is-a hierarchy of labels, and hierarchical precision@k as DeViSE's appendix defines it."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass


@dataclass(frozen=True)
class CorrectSets:
    """hCorrectSet(label, k) of one label for every k up to a limit.

    The sets are nested: a label that joins at some k stays for every greater one.

    Attributes:
        first_k: the labels of the greatest set, each with the smallest k whose set holds it.
    """

    first_k: Mapping[str, int]

    def size(self, k: int) -> int:
        """|hCorrectSet(label, k)|: at least k, unless the hierarchy has fewer valid labels."""
        return sum(first <= k for first in self.first_k.values())

    def precision(self, predictions: Sequence[str], k: int) -> float:
        """The share of the first k predictions that are in hCorrectSet(label, k).

        Args:
            predictions: the best first, none twice. Fewer than k are divided by k all the same.
            k: at least 1.

        Source: Frome et al., "DeViSE" (2013), appendix A.3.
        """
        return sum(self.first_k.get(label, k + 1) <= k for label in predictions[:k]) / k


class Hierarchy:
    """Labels joined by is-a edges, which are walked in both directions.

    Args:
        edges: pairs of a parent and its child. A label may have several parents.
    """

    def __init__(self, edges: Iterable[tuple[str, str]]) -> None:
        self._beside: dict[str, set[str]] = {}
        for parent, child in edges:
            self._beside.setdefault(parent, set()).add(child)
            self._beside.setdefault(child, set()).add(parent)

    def __contains__(self, label: str) -> bool:
        return label in self._beside

    def correct_sets(self, label: str, valid: Set[str], max_k: int) -> CorrectSets:
        """hCorrectSet(label, k) for k from 1 to `max_k`.

        All labels within R hops, where R is the least for which `valid` has k of them. Nodes that
        are not valid are walked through.

        Args:
            label: where to start. One that is not in the hierarchy is alone.
            valid: the labels that a set may hold; in a zero-shot task those of the test and
                those of training.
            max_k: at least 1.

        Source: Frome et al., "DeViSE" (2013), appendix A.3.
        """
        first_k: dict[str, int] = {}
        shell, passed = {label}, {label}
        while shell and len(first_k) < max_k:
            joining = len(first_k) + 1  # the sets of fewer were full before this shell
            first_k |= dict.fromkeys(sorted(shell & valid), joining)
            shell = {near for node in shell for near in self._beside.get(node, ())} - passed
            passed |= shell
        return CorrectSets(first_k)


def chance_precision(
    sets: Iterable[tuple[CorrectSets, int]], k: int, candidates: Set[str]
) -> float:
    """Hierarchical precision@k of guessing among the candidates, for k up to their number.

    It is the mean |hCorrectSet(label, k)| over the number of labels where all are candidates.

    Args:
        sets: of each right label, with the number of its photos; at least one.
        k: at least 1.
        candidates: the labels that the guess is drawn from.
    """
    right = photos = 0
    for found, count in sets:
        inside = (first for label, first in found.first_k.items() if label in candidates)
        right += count * sum(first <= k for first in inside)
        photos += count
    return right / photos / len(candidates)
