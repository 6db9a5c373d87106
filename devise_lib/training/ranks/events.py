"""Curves of trainings as TensorBoard's event files, written while they grow."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import rmtree

import tensorflow as tf

# What `tf.summary.scalar` writes; TensorFlow leaves that function to TensorBoard's own package,
# which reads these files and need not be where they are written.
_PLUGIN = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
_SCALAR = tf.compat.v1.SummaryMetadata(plugin_data=_PLUGIN, data_class="DATA_CLASS_SCALAR")


class EventFiles:
    """The event files of a job: a folder for each of its trainings, below the job's own.

    Args:
        folder: the job's; emptied, for TensorBoard draws all files of a folder as one curve. With
            "" nothing is written, as on all ranks but the first.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        if folder:
            rmtree(folder, ignore_errors=True)

    def curves(self, name: str) -> "Curves":
        """Of the training of that name."""
        if not self._folder:
            return Curves(tf.summary.create_noop_writer())
        return Curves(tf.summary.create_file_writer(str(Path(self._folder) / name)))


class Curves:
    """The curves of one training, by epoch."""

    def __init__(self, writer: tf.summary.SummaryWriter) -> None:
        self._writer = writer

    def add(self, epoch: int, values: Mapping[str, float]) -> None:
        """Write a point of each curve, and hand it to the file system at once.

        Args:
            epoch: 0 is before the first.
            values: by the curve's name.
        """
        with self._writer.as_default():  # which flushes at its end
            for name, value in values.items():
                tf.summary.write(name, tf.constant(value, tf.float32), epoch, _SCALAR)

    def follow(self, epochs: Iterator[list[float]]) -> Iterator[list[float]]:
        """A training's losses so far as they come, each new one written as the curve "loss".

        Of a training that goes on from a checkpoint, those of the epochs before it as well.
        """
        written = 0
        for losses in epochs:
            for epoch, loss in enumerate(losses[written:], written + 1):
                self.add(epoch, {"loss": loss})
            written = len(losses)
            yield losses
