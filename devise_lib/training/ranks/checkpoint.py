"""What a training needs to go on where it was: one file of plain arrays."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Arrays = list[NDArray[np.generic]]


@dataclass(frozen=True)
class State:
    """How far a training is.

    Attributes:
        losses: mean loss of each epoch that is through.
        steps: taken in the epoch after these.
        total: sum of the losses of these steps, the mean of all ranks.
    """

    losses: list[float]
    steps: int
    total: float


def checkpoint_in(folder: str, name: str, every: int) -> "Checkpoint | None":
    """That of a training whose plan names a folder for it; "": it keeps none."""
    return Checkpoint(Path(folder) / f"{name}.npz", every) if folder else None


class Checkpoint:
    """Keeps a training's state and variables in a file, and replaces it in one move.

    Args:
        path: of the file; its folder is made.
        every: steps between two states that are kept within an epoch.
    """

    def __init__(self, path: Path, every: int) -> None:
        self._path, self.every = path, every

    def save(self, state: State, variables: Sequence[NDArray[np.generic]]) -> None:
        """Keep them in place of what was there; a kill at any time leaves the one or the other."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        about = np.frombuffer(json.dumps(asdict(state)).encode(), dtype=np.uint8)
        with part.open("wb") as file:
            np.savez(file, about, *variables)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path)

    def load(self) -> tuple[State, Arrays] | None:
        """What was kept, without pickles; None where nothing was."""
        if not self._path.exists():
            return None
        with np.load(self._path, allow_pickle=False) as kept:
            about, *variables = (kept[f"arr_{i}"] for i in range(len(kept.files)))
        return State(**json.loads(about.tobytes())), variables
