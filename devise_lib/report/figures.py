"""METRICS as the page shows it: hit tables, the words' figures, coverage."""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from devise_lib.report.content import Measurement

METHODS = {  # in the order of the rows
    "devise": ("DeViSE", "the model of this page"),
    "classifier_ridge": ("Classifier weights", "label vectors to the weights of the softmax"),
    "ridge": ("Ridge regression", "features to label vectors, in closed form"),
    "ridge_reversed": ("Ridge, reversed", "label vectors to features, in closed form"),
    "eszsl": ("ESZSL", "features times label vectors, in closed form"),
    "sae": ("SAE", "a tied linear encoder and decoder, in the space of words"),
    "sae_reversed": ("SAE, reversed", "the same, among the features"),
    "conse": ("ConSE", "mean of the label vectors of the likeliest seen classes"),
    "softmax": ("Softmax", "the backbone's own classes"),
    "random_embeddings": ("Random vectors", "DeViSE trained on label vectors without meaning"),
    "chance": ("Chance", "labels drawn at random"),
}
VARIANTS = {  # of a method, in the order of the rows
    "": "",
    "+csls": " with CSLS",
    "+calibrated": ", calibrated",
    "+csls+calibrated": " with CSLS, calibrated",
}
CANDIDATES = {
    "unseen_only": "choosing among the unseen labels alone",
    "unseen_and_seen": "choosing among all labels, seen and unseen",
    "seen_only": "choosing among the seen labels alone",
}
COVERAGE = ("exact", "synonym", "averaged", "missing")  # of words; else there is "attributes"


@dataclass(frozen=True, slots=True)
class HitRow:
    """A method's flat hit@k for each k of its table; None where it was not measured."""

    method: str
    name: str
    about: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class HitTable:
    """Flat hit@k of one set of photos and candidates; `best` is the greatest of each column."""

    photo_set: str
    candidate_set: str
    candidates: str
    photos: int | None
    ks: Sequence[int]
    rows: Sequence[HitRow]
    best: Sequence[float]


@dataclass(frozen=True, slots=True)
class Headline:
    """hit@k on unseen labels, and how many times that of chance and of random vectors."""

    k: int
    value: float
    photo_set: str
    times_chance: float | None
    times_random: float | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """How the labels of a set came by their vectors: (kind, share), and the set's name."""

    label_set: str
    shares: Sequence[tuple[str, float]]


def hit_tables(metrics: Sequence[Measurement]) -> list[HitTable]:
    """One table for each photo_set and candidate_set; those of unseen labels come first."""
    hits = [m for m in metrics if m.metric == "hit" and m.k is not None]
    groups = {(m.photo_set, m.candidate_set): None for m in hits}
    order = sorted(groups, key=lambda g: ("unseen" not in g[0], g[0], g[1] != "unseen_only", g[1]))
    return [_hit_table(metrics, hits, photo_set, candidates) for photo_set, candidates in order]


def unseen_tables(tables: Iterable[HitTable]) -> list[HitTable]:
    """Those of the first set of unseen photos: among its labels alone, and among all.

    None of them has a single k alone: there would be no curve.
    """
    wanted = ("unseen_only", "unseen_and_seen")
    found = [t for t in tables if "unseen" in t.photo_set and t.candidate_set in wanted]
    return [t for t in found if t.photo_set == found[0].photo_set and len(t.ks) > 1]


def headline(tables: Iterable[HitTable]) -> Headline | None:
    """The first table's figure for the smallest k, where DeViSE has one."""
    for table in tables:
        first = {row.method: row.values[0] for row in table.rows}
        value = first.get("devise")
        if value is None or "unseen" not in table.photo_set:
            continue
        return Headline(
            table.ks[0],
            value,
            table.photo_set,
            _times(value, first.get("chance")),
            _times(value, first.get("random_embeddings")),
        )
    return None


def coverages(metrics: Sequence[Measurement]) -> list[Coverage]:
    """The labels' coverage, one entry for each label set."""
    rows = [m for m in metrics if m.method == "labels" and m.metric == "coverage"]
    found = {(m.photo_set, m.candidate_set): m.value for m in rows}
    kinds = (*COVERAGE, *sorted({m.candidate_set for m in rows} - {*COVERAGE}))
    return [
        Coverage(name, [(kind, found.get((name, kind), 0.0)) for kind in kinds])
        for name in sorted({m.photo_set for m in rows})
    ]


def of_words(metrics: Sequence[Measurement], metric: str) -> list[Measurement]:
    """The rows of the word vectors for one metric, by the test's name."""
    rows = [m for m in metrics if m.method == "word2vec" and m.metric == metric]
    return sorted(rows, key=lambda m: m.photo_set)


def _hit_table(
    metrics: Sequence[Measurement], hits: Sequence[Measurement], photo_set: str, candidates: str
) -> HitTable:
    here = [m for m in hits if (m.photo_set, m.candidate_set) == (photo_set, candidates)]
    ks = sorted({m.k for m in here if m.k is not None})
    value = {(m.method, m.k): m.value for m in here}
    measured = {m.method for m in here}
    about = {method: what for method, (_, what) in METHODS.items()}  # of variants nothing
    rows = [
        HitRow(m, name_of(m), about.get(m, ""), [value.get((m, k)) for k in ks])
        for m in in_order(measured)
    ]
    photos = [
        m.value
        for m in metrics
        if m.metric == "photos" and (m.photo_set, m.candidate_set) == (photo_set, candidates)
    ]
    return HitTable(
        photo_set,
        candidates,
        CANDIDATES.get(candidates, f"candidates: {candidates.replace('_', ' ')}"),
        int(photos[0]) if photos else None,
        ks,
        rows,
        [
            max(v for v in column if v is not None)
            for column in zip(*(row.values for row in rows), strict=True)
        ],
    )


def _times(value: float, other: float | None) -> float | None:
    return value / other if other else None


def in_order(methods: Set[str]) -> list[str]:
    """Methods and their variants as the rows have them; those without a name of ours come last."""
    known = [base + variant for base in METHODS for variant in VARIANTS]
    return [method for method in known if method in methods] + sorted(methods - {*known})


def name_of(method: str) -> str:
    """A method's name, with its variant."""
    base, plus, rest = method.partition("+")
    name, _ = METHODS.get(base, (base.replace("_", " "), ""))
    return name + VARIANTS.get(plus + rest, plus + rest)
