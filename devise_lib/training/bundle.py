"""What travels beside a registered model: its projection, its controls, its backbone's softmax.

Everything that evaluation needs besides FEATURES and LABELS, as plain numpy arrays.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.numerics.linear import Projection

ARRAYS = "projection.npz"
ABOUT = "projection.json"


@dataclass(frozen=True)
class ProjectionBundle:
    """A trained projection and what it is compared with.

    Attributes:
        projections: by method: "devise", and its control "random_embeddings".
        control_vectors: by label, the random unit vectors that the control was trained towards.
        kernel, bias: (d_visual, classes), (classes,) of the backbone's softmax.
        classes: the label of each class of the softmax.
        backbone_id: the backbone whose features the projections take.
        words_id: the word vectors that the projections were trained towards, as LABELS have it.
    """

    projections: Mapping[str, Projection]
    control_vectors: Mapping[str, NDArray[np.float32]]
    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    classes: list[str]
    backbone_id: str
    words_id: str

    def save(self, folder: Path) -> None:
        """Write it into `folder`, without pickles."""
        labels = sorted(self.control_vectors)
        arrays = {"kernel": self.kernel, "bias": self.bias}
        arrays["control_vectors"] = np.stack([self.control_vectors[label] for label in labels])
        for method, projection in self.projections.items():
            arrays[f"matrix:{method}"] = projection.matrix
            arrays[f"offset:{method}"] = projection.offset
        np.savez(folder / ARRAYS, **arrays)
        about = {
            "methods": list(self.projections),
            "control_labels": labels,
            "classes": self.classes,
            "backbone_id": self.backbone_id,
            "words_id": self.words_id,
        }
        (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")


def load_bundle(folder: Path) -> ProjectionBundle:
    """Read what `ProjectionBundle.save` wrote.

    Raises:
        InputError: a file is missing, or tells less than it should.
    """
    for name in (ARRAYS, ABOUT):
        if not (folder / name).exists():
            raise InputError(f"{folder} holds no {name}: the model was not made by train_devise")
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    if "words_id" not in about:
        raise InputError(f"{folder / ABOUT} is of an older train_devise: run train_devise again")
    with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
        projections = {
            method: Projection(arrays[f"matrix:{method}"], arrays[f"offset:{method}"])
            for method in about["methods"]
        }
        vectors = dict(zip(about["control_labels"], arrays["control_vectors"], strict=True))
        return ProjectionBundle(
            projections,
            vectors,
            arrays["kernel"],
            arrays["bias"],
            about["classes"],
            about["backbone_id"],
            about["words_id"],
        )
