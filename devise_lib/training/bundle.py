"""The bundle of a registered model: all that evaluation needs besides FEATURES and LABELS.

The bundle holds the projections, those of the control and of the folds, and the backbone's softmax,
as plain numpy arrays.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.numerics.candidates import SoftmaxLayer
from devise_lib.numerics.linear import Affine, Projection
from devise_lib.numerics.paired import LabelScores
from devise_lib.training.settings import Objective
from devise_lib.training_choices import Negatives

ARRAYS = "projection.npz"
ABOUT = "projection.json"
FORM = 4  # version of the files' format; raised when an older reader would misread them


@dataclass(frozen=True)
class TrainedProjection:
    """A projection, and how it was trained.

    Attributes:
        method: "devise", or its control "random_embeddings".
        seed: of the training.
        fold: the `fold` of FEATURES whose labels it was trained without, for choosing settings;
            None if it was trained with all labels.
        projection: the map.
    """

    method: str
    seed: int
    fold: int | None
    projection: Projection


@dataclass(frozen=True)
class ProjectionBundle:
    """A trained projection, and what it is compared with.

    Attributes:
        trained: the projections; the registered model's own is first.
        control_vectors: per label, the random unit vector that the control was trained towards.
        layer: the backbone's softmax.
        backbone_id: the backbone whose features the projections take.
        words_id: the word vectors that the projections were trained towards, as in LABELS.
        folds_id: identifies the assignment of labels to folds; "" without folds.
        score: of the folds' projections on the held-out labels; None without folds.
        objective: of the training.
        negatives: the wrong labels of the training.
        penalty: on the scores of seen labels, for a fine-tuned model, whose folds' projections are
            not kept. None: evaluation finds the penalty from these projections.
        label_scores: the scores that `score` averages: per fold, the score of each held-out label.
            It is empty without folds. A fine-tuned model has those of the one fold of its trial.
        base_model: the id of the model that was fine-tuned; "" if the model is not fine-tuned.
    """

    trained: Sequence[TrainedProjection]
    control_vectors: Mapping[str, NDArray[np.float32]]
    layer: SoftmaxLayer
    backbone_id: str
    words_id: str
    folds_id: str = ""
    score: float | None = None
    objective: Objective = field(default_factory=Objective)
    negatives: Negatives = "seen"
    penalty: float | None = None
    label_scores: LabelScores = field(default_factory=dict)
    base_model: str = ""

    def trials(self, method: str) -> dict[int, Projection]:
        """Returns per fold the method's projection that was trained without the fold's labels."""
        mine = (one for one in self.trained if one.method == method)
        return {one.fold: one.projection for one in mine if one.fold is not None}

    def save(self, folder: Path) -> None:
        """Writes the bundle into `folder`, without pickles."""
        labels = sorted(self.control_vectors)
        arrays: dict[str, NDArray[Any]] = {
            "kernel": self.layer.kernel,
            "bias": self.layer.bias,
            "control_vectors": np.stack([self.control_vectors[label] for label in labels]),
        }
        entries = []
        for number, one in enumerate(self.trained):
            for place, affine in enumerate(one.projection.layers):
                arrays[f"matrix:{number}:{place}"] = affine.matrix
                arrays[f"offset:{number}:{place}"] = affine.offset
            entries.append(
                {
                    "method": one.method,
                    "seed": one.seed,
                    "fold": one.fold,
                    "layers": len(one.projection.layers),
                }
            )
        np.savez(folder / ARRAYS, **arrays)
        about = {
            "form": FORM,
            "trained": entries,
            "control_labels": labels,
            "classes": self.layer.classes,
            "backbone_id": self.backbone_id,
            "words_id": self.words_id,
            "folds_id": self.folds_id,
            "score": self.score,
            "objective": asdict(self.objective),
            "negatives": self.negatives,
            "penalty": self.penalty,
            "label_scores": {str(fold): dict(of) for fold, of in self.label_scores.items()},
            "base_model": self.base_model,
        }
        (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")


def load_bundle(folder: Path) -> ProjectionBundle:
    """Loads a bundle that `ProjectionBundle.save` wrote.

    Raises:
        InputError: a file is missing, damaged, or of another version.
    """
    for name in (ARRAYS, ABOUT):
        if not (folder / name).exists():
            raise InputError(f"{folder} holds no {name}: the model was not made by train_devise")
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        form = about.get("form")
    except (ValueError, AttributeError) as error:
        raise InputError(f"{folder / ABOUT} is damaged: {error!r}") from error
    if form != FORM:
        raise InputError(
            f"{folder / ABOUT} is of another version of train_devise: run train_devise again"
        )
    try:
        return _read_bundle(folder / ARRAYS, about)
    except (OSError, EOFError, BadZipFile, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{folder} is damaged: {error!r}") from error


def _read_bundle(path: Path, about: Mapping[str, Any]) -> ProjectionBundle:
    with np.load(path, allow_pickle=False) as arrays:
        trained = [
            TrainedProjection(
                entry["method"],
                entry["seed"],
                entry["fold"],
                _projection(arrays, number, entry),
            )
            for number, entry in enumerate(about["trained"])
        ]
        return ProjectionBundle(
            trained,
            dict(zip(about["control_labels"], arrays["control_vectors"], strict=True)),
            SoftmaxLayer(arrays["kernel"], arrays["bias"], about["classes"]),
            about["backbone_id"],
            about["words_id"],
            about["folds_id"],
            about["score"],
            Objective(**about["objective"]),
            about["negatives"],
            about["penalty"],
            {int(fold): of for fold, of in about["label_scores"].items()},
            about["base_model"],
        )


def _projection(
    arrays: Mapping[str, NDArray[np.float32]], number: int, entry: Mapping[str, Any]
) -> Projection:
    return Projection(
        tuple(
            Affine(arrays[f"matrix:{number}:{place}"], arrays[f"offset:{number}:{place}"])
            for place in range(entry["layers"])
        )
    )
