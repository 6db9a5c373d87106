"""METRICS as the page shows it: hit@k tables, tests of the word vectors, label coverage."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from devise_lib.report.content import Measurement

METHODS = {  # in the order of the rows: name and description
    "devise": ("DeViSE", "the model of this page"),
    "classifier_ridge": (
        "Classifier weights",
        "ridge regression from label vectors to the weights of the softmax",
    ),
    "ridge": ("Ridge regression", "from image features to label vectors, in closed form"),
    "ridge_reversed": ("Ridge, reversed", "from label vectors to image features, in closed form"),
    "eszsl": ("ESZSL", "bilinear map of image features and label vectors, in closed form"),
    "sae": ("SAE", "linear autoencoder with tied weights, compared in the space of words"),
    "sae_reversed": ("SAE, reversed", "the same autoencoder as SAE, compared in feature space"),
    "conse": ("ConSE", "mean of the label vectors of the most probable seen classes"),
    "softmax": ("Softmax", "the classifier of the backbone, which knows its own classes alone"),
    "random_embeddings": ("Random embeddings", "DeViSE trained on label vectors without meaning"),
    "chance": ("Chance", "labels drawn at random"),
}
CLOSED_FORMS = ("classifier_ridge", "ridge", "ridge_reversed", "eszsl", "sae", "sae_reversed")
VARIANTS = {  # of a method, in the order of the rows
    "": "",
    "+csls": " with CSLS",
    "+calibrated": ", calibrated",
    "+csls+calibrated": " with CSLS, calibrated",
}
VARIANTS_ABOUT = {
    "": "",
    "+csls": "its scores corrected for hubs, labels that are near to many photos",
    "+calibrated": "its scores of seen labels lowered by a penalty",
}
BOTH = "unseen_and_seen"
CANDIDATES = {
    "unseen_only": "choosing among the unseen labels alone",
    BOTH: "choosing among all labels, seen and unseen",
    "seen_only": "choosing among the seen labels alone",
}
COMPARED_DEVISE = ("devise", "devise+csls", "devise+calibrated")  # then the best closed form
COMPARED_BASELINES = ("conse", "softmax", "random_embeddings", "chance")
COMPARED_NOTES = {  # by the methods whose row needs the sentence
    CLOSED_FORMS: "The best closed form is the one with the greatest figure in the first column "
    "that has any, so test photos chose it.",
    ("random_embeddings",): "Random embeddings show what remains when words carry no meaning.",
    ("devise+calibrated",): "Held-out seen labels chose the penalty of the calibrated scores.",
}
MAX_COLUMNS = 4  # of the comparison
COVERAGE = ("exact", "synonym", "averaged", "missing")  # a label set may have "attributes" instead


@dataclass(frozen=True, slots=True)
class HitRow:
    """Flat hit@k of a method for each k of its table; None for a k that was not measured."""

    method: str
    name: str
    about: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class HitTable:
    """Flat hit@k for one set of photos and one set of candidate labels.

    Attributes:
        candidates: the candidate set in words.
        photos: number of photos, if METRICS has it.
        best: the greatest figure of each column.
    """

    photo_set: str
    candidate_set: str
    candidates: str
    photos: int | None
    ks: Sequence[int]
    rows: Sequence[HitRow]
    best: Sequence[float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The methods that a reader compares first, by their hit@k for the smallest k.

    Attributes:
        columns: the tables with the figures. The first k of a table is the k of its column.
        rows: one figure per column; None if the method has none.
        best: the greatest figure of each column.
        notes: sentences that some of the rows need.
    """

    columns: Sequence[HitTable]
    rows: Sequence[HitRow]
    best: Sequence[float]
    notes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Headline:
    """hit@k of DeViSE on unseen labels, beside chance, random embeddings and more candidates.

    Attributes:
        k, value: of hit@k, a share.
        photo_set, candidates: of the table, in words.
        times_chance, times_random: the ratios to chance and to random embeddings; None for none.
        names: how many labels there were to choose among; None if chance was not measured.
        among_all: hit@k of the same photos, with the seen labels as candidates as well.
    """

    k: int
    value: float
    photo_set: str
    candidates: str
    times_chance: float | None
    times_random: float | None
    names: int | None
    among_all: float | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """The share of the labels of a set for each kind of label vector: (kind, share)."""

    label_set: str
    shares: Sequence[tuple[str, float]]


def hit_tables(metrics: Sequence[Measurement]) -> list[HitTable]:
    """One table per photo_set and candidate_set. Tables of unseen labels come first."""
    hits = [m for m in metrics if m.metric == "hit" and m.k is not None]
    groups = {(m.photo_set, m.candidate_set): None for m in hits}
    order = sorted(groups, key=lambda g: ("unseen" not in g[0], g[0], g[1] != "unseen_only", g[1]))
    return [_hit_table(metrics, hits, photo_set, candidates) for photo_set, candidates in order]


def unseen_tables(tables: Iterable[HitTable]) -> list[HitTable]:
    """The tables of the first set of unseen photos, for the plot of hit@k by k.

    Candidates are the unseen labels alone, or all labels. A table with a single k is left out,
    because it has no curve.
    """
    wanted = ("unseen_only", BOTH)
    found = [t for t in tables if "unseen" in t.photo_set and t.candidate_set in wanted]
    return [t for t in found if t.photo_set == found[0].photo_set and len(t.ks) > 1]


def headline(tables: Sequence[HitTable]) -> Headline | None:
    """DeViSE's figure for the smallest k in the first table of unseen labels that has one."""
    among_all = {
        table.photo_set: row.values[0]
        for table in tables
        for row in table.rows
        if table.candidate_set == BOTH and row.method == "devise"
    }
    for table in tables:
        first = {row.method: row.values[0] for row in table.rows}
        value = first.get("devise")
        if value is None or "unseen" not in table.photo_set:
            continue
        return Headline(
            table.ks[0],
            value,
            table.photo_set,
            table.candidates,
            _times(value, first.get("chance")),
            _times(value, first.get("random_embeddings")),
            round(table.ks[0] / chance) if (chance := first.get("chance")) else None,
            among_all.get(table.photo_set) if table.candidate_set != BOTH else None,
        )
    return None


def compare_methods(tables: Sequence[HitTable]) -> Comparison | None:
    """The short table for the source of photos of the first table; None if it has no row.

    The rows are DeViSE and its variants, one closed form, ConSE, softmax and the controls. The
    closed form is the one with the greatest figure in the first column that has any.
    """
    if not tables:
        return None
    source = _source_of(tables[0])
    same = [t for t in tables if _source_of(t) == source and t.candidate_set in CANDIDATES]
    columns = same[:MAX_COLUMNS] or [tables[0]]
    firsts = [{row.method: row.values[0] for row in table.rows} for table in columns]
    rows = [
        HitRow(
            method,
            _compared_name(method),
            _compared_about(method),
            [first.get(method) for first in firsts],
        )
        for method in (*COMPARED_DEVISE, *_best_closed_form(firsts), *COMPARED_BASELINES)
        if any(first.get(method) is not None for first in firsts)
    ]
    shown = {row.method for row in rows}
    notes = [note for methods, note in COMPARED_NOTES.items() if shown & {*methods}]
    return Comparison(columns, rows, _best([row.values for row in rows]), notes) if rows else None


def coverages(metrics: Sequence[Measurement]) -> list[Coverage]:
    """How the labels got their vectors, one entry per label set."""
    rows = [m for m in metrics if m.method == "labels" and m.metric == "coverage"]
    found = {(m.photo_set, m.candidate_set): m.value for m in rows}
    kinds = (*COVERAGE, *sorted({m.candidate_set for m in rows} - {*COVERAGE}))
    return [
        Coverage(name, [(kind, found.get((name, kind), 0.0)) for kind in kinds])
        for name in sorted({m.photo_set for m in rows})
    ]


def of_words(metrics: Sequence[Measurement], metric: str) -> list[Measurement]:
    """The rows of the word vectors for one metric, sorted by the name of the test."""
    rows = [m for m in metrics if m.method == "word2vec" and m.metric == metric]
    return sorted(rows, key=lambda m: m.photo_set)


def _hit_table(
    metrics: Sequence[Measurement], hits: Sequence[Measurement], photo_set: str, candidates: str
) -> HitTable:
    here = [m for m in hits if (m.photo_set, m.candidate_set) == (photo_set, candidates)]
    ks = sorted({m.k for m in here if m.k is not None})
    value = {(m.method, m.k): m.value for m in here}
    measured = {m.method for m in here}
    about = {method: what for method, (_, what) in METHODS.items()}  # a variant has no text
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
        _best([row.values for row in rows]),
    )


def _best(rows: Iterable[Sequence[float | None]]) -> list[float]:
    """The greatest figure of each column; 0 for a column without a figure."""
    columns = zip(*rows, strict=True)
    return [max((v for v in column if v is not None), default=0.0) for column in columns]


def _source_of(table: HitTable) -> str:
    """The source of the photos: the name of their set without "seen" or "unseen"."""
    return table.photo_set.removesuffix(" unseen").removesuffix(" seen")


def _best_closed_form(firsts: Iterable[Mapping[str, float | None]]) -> list[str]:
    """The name of the closed form to compare with; empty if no column has a closed form."""
    for first in firsts:
        figures = {m: v for m in CLOSED_FORMS if (v := first.get(m)) is not None}
        if figures:
            return [max(figures, key=lambda method: figures[method])]
    return []


def _compared_name(method: str) -> str:
    return f"Best closed form: {name_of(method)}" if method in CLOSED_FORMS else name_of(method)


def _compared_about(method: str) -> str:
    base, plus, variant = method.partition("+")
    return VARIANTS_ABOUT[plus + variant] or METHODS[base][1]


def _times(value: float, other: float | None) -> float | None:
    return value / other if other else None


def in_order(methods: Set[str]) -> list[str]:
    """Methods and variants in the order of the rows. Methods that METHODS lacks come last."""
    known = [base + variant for base in METHODS for variant in VARIANTS]
    return [method for method in known if method in methods] + sorted(methods - {*known})


def name_of(method: str) -> str:
    """The name of a method and its variant, for the reader."""
    base, plus, rest = method.partition("+")
    name, _ = METHODS.get(base, (base.replace("_", " "), ""))
    return name + VARIANTS.get(plus + rest, plus + rest)
