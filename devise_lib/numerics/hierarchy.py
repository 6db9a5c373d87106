"""The is-a hierarchy of labels, and hierarchical precision@k.

Source: Frome et al., "DeViSE" (2013), appendix A.3.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass


@dataclass(frozen=True)
class CorrectSets:
    """The sets hCorrectSet(label, k) of one label for every k up to a limit.

    The sets are nested: a label that belongs to the set of some k belongs to the set of every
    greater k.

    Attributes:
        first_k: for each label of the largest set, the smallest k whose set holds the label.
    """

    first_k: Mapping[str, int]

    def size(self, k: int) -> int:
        """Returns |hCorrectSet(label, k)|: at least k unless the hierarchy has fewer valid
        labels.
        """
        return sum(first <= k for first in self.first_k.values())

    def precision(self, predictions: Sequence[str], k: int) -> float:
        """Returns the share of the first k predictions that are in hCorrectSet(label, k).

        Args:
            predictions: distinct labels, the best first. The count is divided by k even where there
                are fewer than k predictions.
            k: the length of the list, at least 1.

        Source: Frome et al., "DeViSE" (2013), appendix A.3.
        """
        return sum(self.first_k.get(label, k + 1) <= k for label in predictions[:k]) / k


class Hierarchy:
    """An undirected graph of labels that are joined by is-a edges.

    Args:
        edges: pairs of a parent and its child. A label may have several parents.
    """

    def __init__(self, edges: Iterable[tuple[str, str]]) -> None:
        self._neighbours: dict[str, set[str]] = {}
        for parent, child in edges:
            self._neighbours.setdefault(parent, set()).add(child)
            self._neighbours.setdefault(child, set()).add(parent)

    def __contains__(self, label: str) -> bool:
        return label in self._neighbours

    def within(self, label: str, hops: int) -> frozenset[str]:
        """Returns the labels that at most `hops` is-a edges part from a label, itself included.

        Args:
            label: one outside the hierarchy has no neighbours.
            hops: 0 gives the label alone.
        """
        shell, passed = {label}, {label}
        for _ in range(hops):
            shell = {near for node in shell for near in self._neighbours.get(node, ())} - passed
            passed |= shell
        return frozenset(passed)

    def correct_sets(self, label: str, valid: Set[str], max_k: int) -> CorrectSets:
        """Returns hCorrectSet(label, k) for each k from 1 to `max_k`.

        A set holds the valid labels within R hops of `label`. R is the smallest number of hops that
        gives at least k labels. Paths may lead through labels that are not valid.

        Args:
            label: the right label. A label outside the hierarchy has no neighbours.
            valid: the labels that a set may hold. In a zero-shot task these are the labels of the
                test and those of training.
            max_k: at least 1.

        Source: Frome et al., "DeViSE" (2013), appendix A.3.
        """
        first_k: dict[str, int] = {}
        shell, passed = {label}, {label}
        while shell and len(first_k) < max_k:
            joining = len(first_k) + 1  # the sets of smaller k are full without this shell
            first_k |= dict.fromkeys(sorted(shell & valid), joining)
            shell = {near for node in shell for near in self._neighbours.get(node, ())} - passed
            passed |= shell
        return CorrectSets(first_k)


def chance_precision(
    sets: Iterable[tuple[CorrectSets, int]], k: int, candidates: Set[str]
) -> float:
    """Returns the hierarchical precision@k of a random guess among the candidates.

    The precision is the mean number of candidates in hCorrectSet(label, k), divided by the number
    of candidates.

    Args:
        sets: the correct sets of each right label, with the number of its photos; at least one.
        k: from 1 to the number of candidates.
        candidates: the labels that the guess is drawn from.
    """
    right = photos = 0
    for found, count in sets:
        inside = (first for label, first in found.first_k.items() if label in candidates)
        right += count * sum(first <= k for first in inside)
        photos += count
    return right / photos / len(candidates)
