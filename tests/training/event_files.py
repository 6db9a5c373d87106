"""TensorBoard's event files read back, as TensorBoard reads them."""

from pathlib import Path

import tensorflow as tf


def read_scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The (step, value) of each tag of the one event file of a folder, in the order written."""
    [path] = folder.iterdir()
    assert path.name.startswith("events.out.tfevents.")
    found: dict[str, list[tuple[int, float]]] = {}
    for event in tf.compat.v1.train.summary_iterator(str(path)):
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            number = float(tf.make_ndarray(value.tensor))
            found.setdefault(value.tag, []).append((event.step, number))
    return found
