"""Training curves as TensorBoard event files, written during training."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import tensorflow as tf

from devise_lib.paths import is_remote
from devise_lib.storage.stores import store_files

# The format of `tf.summary.scalar`. That function itself is in TensorBoard's package, which reads
# these files and need not be installed where they are written.
_PLUGIN = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
_SCALAR = tf.compat.v1.SummaryMetadata(plugin_data=_PLUGIN, data_class="DATA_CLASS_SCALAR")


class EventFiles:
    """The event files of a job: a folder per training, below the job's own folder.

    Args:
        folder: of the job. It is emptied first, because TensorBoard draws all files of a folder as
            one curve. With "" nothing is written, as on all ranks but the first. TensorFlow writes
            to disks only: the files of a folder on a store are written to this machine's disk, and
            copied after each epoch.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        if folder:
            store_files().remove(folder)

    def curves(self, name: str) -> "Curves":
        """Returns the curves of the training of that name."""
        if not self._folder:
            return Curves(tf.summary.create_noop_writer(), lambda: None)
        target = f"{self._folder}/{name}"
        if not is_remote(target):
            return Curves(tf.summary.create_file_writer(target), lambda: None)
        scratch = TemporaryDirectory(prefix="events-")  # removed with the curves, which hold it
        writer = tf.summary.create_file_writer(scratch.name)
        return Curves(writer, partial(_copy_files, scratch, target))


def _copy_files(scratch: TemporaryDirectory[str], target: str) -> None:
    for path in Path(scratch.name).iterdir():
        store_files().upload(path, f"{target}/{path.name}")


class Curves:
    """The curves of one training, by epoch.

    Args:
        writer: of TensorFlow.
        publish: called after each epoch.
    """

    def __init__(self, writer: tf.summary.SummaryWriter, publish: Callable[[], None]) -> None:
        self._writer, self._publish = writer, publish

    def add(self, epoch: int, values: Mapping[str, float]) -> None:
        """Writes a point of each curve and flushes the file.

        Args:
            epoch: 0 is before the first.
            values: per name of a curve.
        """
        with self._writer.as_default():  # flushes at its end
            for name, value in values.items():
                tf.summary.write(name, tf.constant(value, tf.float32), epoch, _SCALAR)
        self._publish()

    def follow(self, epochs: Iterator[list[float]]) -> Iterator[list[float]]:
        """Yields a training's losses so far as they come, and writes each new one to the curve
        "loss".

        For a training that resumed from a checkpoint, it writes those of the earlier epochs, too.
        """
        written = 0
        for losses in epochs:
            for epoch, loss in enumerate(losses[written:], written + 1):
                self.add(epoch, {"loss": loss})
            written = len(losses)
            yield losses
