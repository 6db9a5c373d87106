"""What travels beside a registered model: its projections, its controls, its backbone's softmax.

Everything that evaluation needs besides FEATURES and LABELS, as plain numpy arrays.
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
from devise_lib.training.settings import Negatives, Objective

ARRAYS = "projection.npz"
ABOUT = "projection.json"
FORM = 4  # of the files; raised when an older reader would read them wrong


@dataclass(frozen=True)
class TrainedProjection:
    """A projection, and how it came about.

    Attributes:
        method: "devise", or its control "random_embeddings".
        seed: of the training.
        fold: FEATURES' `fold` whose labels it was trained without, to choose by; None: with all.
        projection: the map.
    """

    method: str
    seed: int
    fold: int | None
    projection: Projection


@dataclass(frozen=True)
class ProjectionBundle:
    """A trained projection and what it is compared with.

    Attributes:
        trained: the registered model's own first.
        control_vectors: by label, the random unit vectors that the control was trained towards.
        layer: the backbone's softmax.
        backbone_id: the backbone whose features the projections take.
        words_id: the word vectors that the projections were trained towards, as LABELS have it.
        folds_id: how labels were dealt into folds; "" where none was held out.
        score: of the folds' own projections on the labels held out; None without any.
        objective: that the projections were trained with.
        negatives: the wrong labels that it had.
        penalty: on the scores of seen labels, of a model whose folds' projections are not kept, as
            one that was fine-tuned; None: evaluation finds it from these.
        label_scores: what `score` is the mean of: of the folds' own projections, the score of each
            label held out. Empty without folds; of the one fold of its trial for a model that was
            fine-tuned.
        base_model: the id of the model that it was fine-tuned from; "" for one that was not.
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
        """By fold, the method's projection that was trained without its labels."""
        mine = (one for one in self.trained if one.method == method)
        return {one.fold: one.projection for one in mine if one.fold is not None}

    def save(self, folder: Path) -> None:
        """Write it into `folder`, without pickles."""
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
    """Read what `ProjectionBundle.save` wrote.

    Raises:
        InputError: a file is missing, damaged, or of another form.
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
