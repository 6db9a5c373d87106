"""The sets of LABELS among which methods look for a photo's label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Row

from devise_lib.config.types import Candidates
from devise_lib.errors import InputError
from devise_lib.numerics.candidates import CandidateSet, Choice
from devise_lib.spark.labels.splits import has_vector
from devise_lib.text.lines import numbered_lines


@dataclass(frozen=True)
class LabelChoices:
    """All labels that have a vector, and the choices among them that METRICS has figures for."""

    labels: CandidateSet
    choices: list[Choice]


def read_choices(
    labels: DataFrame,
    control: Mapping[str, NDArray[np.float32]],
    further: Sequence[Candidates] = (),
) -> LabelChoices:
    """Return the unseen labels, the seen, and both, of each label set; and the configured choices.

    Args:
        labels: LABELS; it may have more labels than when the model was trained.
        control: by label, the random vectors that the model's control was trained towards.
        further: choices over several label sets.

    Raises:
        InputError: LABELS has another random vector for a label of the control, or a configured
            choice names a label set that LABELS lacks.
    """
    columns = ("label_set", "label", "seen", "vector", "random_vector")
    rows = labels.where(has_vector()).select(*columns).collect()
    _require_same_control(rows, control)
    known = _candidate_set(rows)
    of_set: dict[str, list[str]] = {}
    for row in rows:
        of_set.setdefault(row["label_set"], []).append(row["label"])
    choices = []
    for label_set in sorted(of_set):
        mine = _columns(known, of_set[label_set])
        seen = known.seen[mine]
        parts = {"unseen_only": mine[~seen], "seen_only": mine[seen]}
        if 0 < seen.sum() < len(mine):
            parts["unseen_and_seen"] = mine
        choices += [
            Choice(name, label_set, part, np.union1d(part, mine[seen]))
            for name, part in parts.items()
            if len(part)
        ]
    return LabelChoices(known, choices + [_further(known, of_set, one) for one in further])


def _candidate_set(rows: Sequence[Row]) -> CandidateSet:
    by_label: dict[str, Row] = {}
    seen: dict[str, bool] = {}
    for row in rows:
        by_label[row["label"]] = row
        seen[row["label"]] = seen.get(row["label"], True) and row["seen"]
    labels = sorted(by_label)
    return CandidateSet(
        labels,
        np.array([seen[label] for label in labels], dtype=bool),
        np.array([by_label[label]["vector"] for label in labels], dtype=np.float32),
        np.array([by_label[label]["random_vector"] for label in labels], dtype=np.float32),
    )


def _columns(known: CandidateSet, labels: Sequence[str]) -> NDArray[np.int64]:
    return np.array(sorted({known.place[label] for label in labels}), dtype=np.int64)


def _further(
    known: CandidateSet, of_set: Mapping[str, Sequence[str]], wanted: Candidates
) -> Choice:
    if strange := sorted({*wanted.label_sets, *wanted.valid_sets} - set(of_set)):
        raise InputError(
            f"evaluate.candidates {wanted.name!r} needs the label sets {', '.join(strange)}, but "
            f"LABELS has {', '.join(sorted(of_set))}"
        )
    listed = None
    if wanted.ids:
        listed = {line.strip() for _, line in numbered_lines(wanted.ids, "labels")}
    labels = [
        label
        for label_set in wanted.label_sets
        for label in of_set[label_set]
        if listed is None or label in listed or known.seen[known.place[label]]
    ]
    columns = _columns(known, labels)
    further = _columns(known, [label for name in wanted.valid_sets for label in of_set[name]])
    valid = np.union1d(columns, further[known.seen[further]])
    return Choice(wanted.name, "", columns, valid, wanted.photo_sets)


def _require_same_control(rows: list[Row], control: Mapping[str, NDArray[np.float32]]) -> None:
    """Raise InputError if the control was trained towards other random vectors."""
    other = sorted(
        row["label"]
        for row in rows
        if row["label"] in control
        and not np.array_equal(
            np.array(row["random_vector"], dtype=np.float32), control[row["label"]]
        )
    )
    if other:
        raise InputError(
            f"LABELS has other random vectors than the model's control ({', '.join(other[:5])}): "
            "embed_labels ran with another seed since; run it with the earlier seed, or run "
            "train_devise again"
        )
