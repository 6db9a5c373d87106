"""Decodes the photos of a table on a worker, in threads that work ahead of the consumer."""

import hashlib
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import Column
from pyspark.sql import functions as F

from devise_lib.photo_limits import PREFETCH_BYTES, READ_THREADS, READ_TIMEOUT_S
from devise_lib.reasons import Reason
from devise_lib.spark.photos.reading import make_reader
from devise_lib.storage.stores import StoreAccess, this_access
from devise_lib.vision.images.decode import Refusal, decode_inspected
from devise_lib.vision.networks.inference import Pixels
from devise_lib.vision.prefetch import PrefetchLimits, prefetch_map

FILE = ("path", "size_bytes", "sha256", "content")  # columns of PHOTOS that a photo is read from
Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class Reading:
    """How a task reads and decodes photos.

    Attributes:
        decode_threads: threads that decode ahead of the network; 0: one more than the task's cores.
        read_threads: threads that do so where photos are read from their paths.
        prefetch_bytes: upper limit of files and pixels that wait for the network.
        limit_s: seconds after which a photo is refused.
        access: opens the paths of photos whose bytes are not in the table.
    """

    decode_threads: int = 0
    read_threads: int = READ_THREADS
    prefetch_bytes: int = PREFETCH_BYTES
    limit_s: float = READ_TIMEOUT_S
    access: StoreAccess = field(default_factory=this_access)


def file_columns() -> list[Column]:
    """Return the columns FILE with a prefix, because the caller may also keep some of them."""
    return [F.col(name).alias(f"file_{name}") for name in FILE]


class DecodedPhotos:
    """The decoded photos of Arrow batches, and the batches that their results belong to.

    Args:
        batches: the columns to keep, then those of `file_columns`.
        kept: number of columns to keep.
        image_size: side of a decoded photo, in pixels.
        reading: how photos are read and decoded.
    """

    def __init__(self, batches: Batches, kept: int, image_size: int, reading: Reading) -> None:
        self._batches, self._kept, self._image_size = batches, kept, image_size
        self._reading, self._read = reading, make_reader(reading.access)
        self._open: deque[pa.RecordBatch] = deque()  # kept columns of photos that are in work
        self.photos, self.read_s, self.decode_s = 0, 0.0, 0.0

    def decoded(self) -> Iterator[Pixels | Refusal]:
        """Give each photo as pixels, or the reason why it is refused, in their order."""
        photos = self._photos()
        first = next(photos, None)
        if first is None:
            return
        context = TaskContext.get()
        threads = self._reading.decode_threads or (context.cpus() if context else 1) + 1
        threads = threads if first.content is not None else self._reading.read_threads
        done = prefetch_map(
            self._decode,
            chain([first], photos),
            limits=PrefetchLimits(threads, self._reading.prefetch_bytes, self._reading.limit_s),
            weigh=lambda photo: (photo.size_bytes or 0) + self._image_size**2 * 3,
            late=self._late,
        )
        for photo, read_s, decode_s in done:
            self.photos += 1
            self.read_s += read_s / threads  # The threads wait at the same time.
            self.decode_s += decode_s
            yield photo

    def by_batch(self, results: Iterator[Any]) -> Iterator[tuple[pa.RecordBatch, list[Any]]]:
        """Give the kept columns of each Arrow batch with the results of its photos."""
        held: list[Any] = []
        for result in results:
            held.append(result)
            if len(held) == self._open[0].num_rows:
                yield self._open.popleft(), held
                held = []

    def _photos(self) -> Iterator["_Photo"]:
        while True:
            started = time.perf_counter()
            batch = next(self._batches, None)
            self.read_s += time.perf_counter() - started
            if batch is None:
                return
            if not batch.num_rows:
                continue
            columns = batch.columns
            kept = pa.RecordBatch.from_arrays(
                columns[: self._kept], names=batch.schema.names[: self._kept]
            )
            self._open.append(kept)
            path, size, digest, content = columns[self._kept :]
            for row in range(batch.num_rows):
                photo = path[row], size[row], digest[row], content[row]
                yield _Photo(*(value.as_py() for value in photo))

    def _decode(self, photo: "_Photo") -> tuple[Pixels | Refusal, float, float]:
        started = time.perf_counter()
        found = self._read_same(photo) if photo.content is None else photo.content
        read_s, began = time.perf_counter() - started, time.thread_time()
        if not isinstance(found, Refusal):
            return decode_inspected(found, self._image_size), read_s, time.thread_time() - began
        return found, read_s, 0.0

    def _read_same(self, photo: "_Photo") -> bytes | Refusal:
        content = self._read(photo.path)
        if isinstance(content, Refusal) or hashlib.sha256(content).hexdigest() == photo.sha256:
            return content
        return Refusal(
            Reason.CHANGED, f"{photo.path} has changed since it was ingested: run ingest_photos"
        )

    def _late(self, photo: "_Photo") -> tuple[Pixels | Refusal, float, float]:
        limit_s = self._reading.limit_s
        refusal = Refusal(Reason.TIME_OUT, f"{photo.path} took longer than {limit_s:g} s")
        return refusal, limit_s, 0.0


class _Photo(NamedTuple):
    """A row of the columns FILE."""

    path: str
    size_bytes: int | None
    sha256: str
    content: bytes | None
