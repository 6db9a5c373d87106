"""Published figures, for the tables that show them beside our own.

Sources: Frome et al., "DeViSE" (2013), tables 1 to 3; Norouzi et al., "Zero-Shot Learning by
Convex Combination of Semantic Embeddings" (2014), tables 1 to 4; Xian et al., "Zero-Shot Learning -
A Comprehensive Evaluation of the Good, the Bad and the Ugly" (2018), of AWA2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

KS = (1, 2, 5, 10, 20)


@dataclass(frozen=True, slots=True)
class Published:
    """A row of a table of a paper.

    Attributes:
        candidate_set: our candidate set that matches: "1k"; or "2_hops", "3_hops" or "21k", which
            include the 1K labels; or one of these with "_only", which excludes the 1K labels.
        method: the name in METRICS.
        note: the name in the paper.
        labels: number of candidate labels.
        values: percentages, or shares for hierarchical precision; None if the paper has none.
    """

    candidate_set: str
    method: str
    note: str
    labels: int
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class PublishedGeneralized:
    """Per-class top-1 accuracy for a source of photos, from a paper.

    Attributes:
        source: the paper.
        note: how its figures differ from ours.
        rows: the method and four percentages. The first is for photos of unseen labels among the
            unseen labels. The next two are for photos of unseen and of seen labels among all.
            The last is the harmonic mean of these two. None if the paper has none.
    """

    source: str
    note: str
    rows: Sequence[tuple[str, tuple[float | None, float, float, float]]]


HITS = (  # flat hit@k, per cent
    Published("1k", "softmax", "DeViSE, table 1", 1_000, (55.6, 67.4, 78.5, 85.0, None)),
    Published("1k", "devise", "DeViSE, 500-D", 1_000, (53.2, 65.2, 76.7, 83.3, None)),
    Published("1k", "devise", "DeViSE, 1000-D", 1_000, (54.9, 66.9, 78.4, 85.0, None)),
    Published("1k", "random_embeddings", "DeViSE, 500-D", 1_000, (52.4, 63.9, 74.8, 80.6, None)),
    Published("1k", "conse", "ConSE(10)", 1_000, (54.3, 61.9, 68.0, 71.6, None)),
    Published("1k", "chance", "DeViSE, table 1", 1_000, (0.1, 0.2, 0.5, 1.0, None)),
    Published("2_hops", "devise", "DeViSE+1K", 2_589, (0.8, 2.7, 7.9, 14.2, 22.7)),
    Published("2_hops", "conse", "ConSE(10)+1K", 2_589, (0.3, 6.2, 17.0, 24.9, 33.5)),
    Published("3_hops", "devise", "DeViSE+1K", 8_860, (0.5, 1.4, 3.4, 5.9, 9.7)),
    Published("3_hops", "conse", "ConSE(10)+1K", 8_860, (0.2, 2.2, 5.9, 9.7, 14.3)),
    Published("21k", "devise", "DeViSE+1K", 21_841, (0.3, 0.8, 1.9, 3.2, 5.3)),
    Published("21k", "conse", "ConSE(10)+1K", 21_841, (0.2, 1.2, 3.0, 5.0, 7.5)),
    Published("2_hops_only", "devise", "DeViSE-0", 1_589, (6.0, 10.0, 18.1, 26.4, 36.4)),
    Published("2_hops_only", "conse", "ConSE(10)", 1_589, (9.4, 15.1, 24.7, 32.7, 41.8)),
    Published("3_hops_only", "devise", "DeViSE-0", 7_860, (1.7, 2.9, 5.3, 8.2, 12.5)),
    Published("3_hops_only", "conse", "ConSE(10)", 7_860, (2.7, 4.4, 7.8, 11.5, 16.1)),
    Published("21k_only", "devise", "DeViSE-0", 20_841, (0.8, 1.4, 2.5, 3.9, 6.0)),
    Published("21k_only", "conse", "ConSE(10)", 20_841, (1.4, 2.2, 3.9, 5.8, 8.3)),
)
PRECISIONS = (  # hierarchical precision@k
    Published("1k", "softmax", "DeViSE, table 1", 1_000, (0.556, 0.452, 0.342, 0.313, 0.319)),
    Published("1k", "devise", "DeViSE, 500-D", 1_000, (0.532, 0.447, 0.352, 0.331, 0.341)),
    Published(
        "1k", "random_embeddings", "DeViSE, 500-D", 1_000, (None, 0.428, 0.315, 0.271, 0.248)
    ),
    Published("1k", "conse", "ConSE(10)", 1_000, (0.543, 0.447, 0.348, 0.322, 0.337)),
    Published("1k", "chance", "DeViSE, table 1", 1_000, (None, 0.007, 0.013, 0.022, 0.042)),
    Published("2_hops", "devise", "DeViSE+1K", 2_589, (0.008, 0.204, 0.196, 0.201, 0.214)),
    Published("2_hops", "conse", "ConSE(10)+1K", 2_589, (0.003, 0.234, 0.254, 0.260, 0.271)),
    Published("2_hops", "softmax", "softmax", 2_589, (0.0, 0.236, 0.181, 0.174, 0.179)),
    Published("3_hops", "devise", "DeViSE+1K", 8_860, (0.005, 0.053, 0.192, 0.201, 0.214)),
    Published("3_hops", "conse", "ConSE(10)+1K", 8_860, (0.002, 0.061, 0.211, 0.225, 0.240)),
    Published("3_hops", "softmax", "softmax", 8_860, (0.0, 0.053, 0.157, 0.143, 0.130)),
    Published("21k", "devise", "DeViSE+1K", 21_841, (0.003, 0.025, 0.083, 0.092, 0.101)),
    Published("21k", "conse", "ConSE(10)+1K", 21_841, (0.002, 0.029, 0.086, 0.097, 0.105)),
    Published("21k", "softmax", "softmax", 21_841, (0.0, 0.023, 0.071, 0.069, 0.065)),
    Published("2_hops_only", "devise", "DeViSE-0", 1_589, (0.06, 0.152, 0.192, 0.217, 0.233)),
    Published("2_hops_only", "conse", "ConSE(10)", 1_589, (0.094, 0.214, 0.247, 0.269, 0.284)),
    Published("3_hops_only", "devise", "DeViSE-0", 7_860, (0.017, 0.037, 0.191, 0.214, 0.236)),
    Published("3_hops_only", "conse", "ConSE(10)", 7_860, (0.027, 0.053, 0.202, 0.224, 0.247)),
    Published("21k_only", "devise", "DeViSE-0", 20_841, (0.008, 0.017, 0.072, 0.085, 0.096)),
    Published("21k_only", "conse", "ConSE(10)", 20_841, (0.014, 0.025, 0.078, 0.092, 0.104)),
)
GENERALIZED = {  # by the name of the source of photos
    "awa2": PublishedGeneralized(
        "Xian et al.",
        "The published figures use the proposed split, features of ResNet-101, and 85 attributes "
        "per class in place of words. They are not comparable with those of a word space.",
        (
            ("devise", (59.7, 17.1, 74.7, 27.8)),
            ("eszsl", (58.6, 5.9, 77.8, 11.0)),
            ("sae", (54.1, 1.1, 82.2, 2.2)),
            ("conse", (None, 0.5, 90.6, 1.0)),
        ),
    ),
}
