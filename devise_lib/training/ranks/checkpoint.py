"""Checkpoints from which a training resumes: one file of plain arrays."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from devise_lib.storage.copies import fetched, write_file

Arrays = list[NDArray[np.generic]]


@dataclass(frozen=True)
class State:
    """The progress of a training.

    Attributes:
        losses: the mean loss of each complete epoch.
        steps: the steps of the current epoch so far.
        total: the sum of the losses of these steps, averaged over the ranks.
    """

    losses: list[float]
    steps: int
    total: float


def checkpoint_in(folder: str, name: str, every: int) -> "Checkpoint | None":
    """Returns the checkpoint of a training in its plan's folder; None if the folder is ""."""
    return Checkpoint(f"{folder}/{name}.npz", every) if folder else None


class Checkpoint:
    """A file with a training's state and variables, which is replaced atomically.

    Args:
        path: of the file, on a disk or a store; its folder is created.
        every: steps between two checkpoints within an epoch.
    """

    def __init__(self, path: str, every: int) -> None:
        self._path, self.every = path, every

    def save(self, state: State, variables: Sequence[NDArray[np.generic]]) -> None:
        """Replaces the file. If the process is killed, the file holds the old state or the new
        one.
        """
        about = np.frombuffer(json.dumps(asdict(state)).encode(), dtype=np.uint8)

        def write(draft: Path) -> None:
            with draft.open("wb") as file:
                np.savez(file, about, *variables)
                file.flush()
                os.fsync(file.fileno())

        write_file(self._path, write)

    def load(self) -> tuple[State, Arrays] | None:
        """Loads the saved state and variables, without pickles; None if there are none."""
        try:
            with fetched(self._path) as path, np.load(path, allow_pickle=False) as kept:
                about, *variables = (kept[f"arr_{i}"] for i in range(len(kept.files)))
        except FileNotFoundError:
            return None
        return State(**json.loads(about.tobytes())), variables
