"""Runs a network over the photos of a table, on the workers."""

import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark import Broadcast, TaskContext
from pyspark.accumulators import Accumulator, AccumulatorParam
from pyspark.sql import DataFrame
from pyspark.sql.types import BinaryType, StringType, StructField, StructType

from devise_lib.errors import InputError
from devise_lib.numerics.throughput import StageTimes
from devise_lib.spark.photos.decoding import Batches, DecodedPhotos, Reading, file_columns
from devise_lib.spark.platform.worker_daemon import forked_with
from devise_lib.spark.tables.columns import VECTOR
from devise_lib.training.ranks.devices import choose_gpu
from devise_lib.vision.images.decode import Refusal
from devise_lib.vision.networks.inference import (
    Network,
    Pixels,
    Vectors,
    count_gpus,
    embed,
    load_network,
)

REFUSED = (StructField("reason", StringType()), StructField("message", StringType()))


@dataclass(frozen=True)
class Model:
    """A network on its way to the workers.

    Attributes:
        network_file: a broadcast, so that each executor receives it once.
        batch_size: photos per call of the network.
        outputs: the column of each of its outputs.
        precision: of the vectors after rounding, "float32" or "float16".
        dimension: numbers that its first output must have; 0: any.
    """

    network_file: Broadcast[bytes]
    batch_size: int
    outputs: tuple[str, ...] = ("vector",)
    precision: str = "float32"
    dimension: int = 0


class TimesParam(AccumulatorParam[StageTimes]):
    """How Spark adds up the times of tasks."""

    def zero(self, value: StageTimes) -> StageTimes:  # noqa: ARG002
        return StageTimes()

    def addInPlace(self, value1: StageTimes, value2: StageTimes) -> StageTimes:
        return value1 + value2


def with_vectors(
    photos: DataFrame,
    model: Model,
    keep: Sequence[str],
    reading: Reading | None = None,
    times: Accumulator[StageTimes] | None = None,
) -> DataFrame:
    """Return the columns `keep` of photos with the model's outputs, or with `reason` and `message`.

    A task decodes in threads while the network computes. It holds at most `prefetch_bytes` of
    waiting photos, and those that its threads are decoding.

    Args:
        photos: with the columns FILE.
        model: gives the vectors; each worker process loads it once.
        keep: columns to carry over.
        reading: how photos are read and decoded; None: with the defaults of Reading.
        times: adds up the times of tasks as they end.
    """
    reading = reading or Reading()
    fields = [photos.schema[name] for name in keep]
    vectors = [StructField(name, VECTOR) for name in model.outputs]
    schema = StructType([*fields, *vectors, *REFUSED])
    task = _make_embed(model, reading, len(keep), times)
    with forked_with(photos.sparkSession.sparkContext, "tensorflow", "keras"):
        return photos.select(*keep, *file_columns()).mapInArrow(task, schema)


def with_pixels(
    photos: DataFrame,
    keep: Sequence[str],
    image_size: int,
    reading: Reading | None = None,
) -> DataFrame:
    """Return the columns `keep` of photos with `pixels`, without photos that cannot be decoded.

    Args:
        photos: with the columns FILE.
        keep: columns to carry over.
        image_size: side of a photo in pixels; `pixels` holds its RGB bytes, row by row.
        reading: how photos are read and decoded; None: with the defaults of Reading.
    """
    reading = reading or Reading()

    def to_pixels(batches: Batches) -> Batches:
        source = DecodedPhotos(batches, len(keep), image_size, reading)
        for kept, decoded in source.by_batch(source.decoded()):
            pixels = [None if isinstance(d, Refusal) else d.tobytes() for d in decoded]
            column = pa.array(pixels, pa.binary())
            found = _extended(kept, [column], ["pixels"])
            yield found.filter(column.is_valid())

    schema = StructType([photos.schema[name] for name in keep]).add("pixels", BinaryType())
    return photos.select(*keep, *file_columns()).mapInArrow(to_pixels, schema)


def _make_embed(
    model: Model, reading: Reading, kept: int, times: Accumulator[StageTimes] | None
) -> Callable[[Batches], Batches]:
    def run(batches: Batches) -> Batches:
        started = time.perf_counter()
        first = next(batches, None)
        if first is None:
            return  # An empty task loads no network.
        waited_s = time.perf_counter() - started
        network, load_s = _load(model)
        source = DecodedPhotos(chain([first], batches), kept, network.image_size, reading)
        infer = _Clocked(network)
        written_s = 0.0
        for rows, results in source.by_batch(
            embed(infer, source.decoded(), model.batch_size, model.precision)
        ):
            found = _with_results(rows, results, model)
            started = time.perf_counter()
            yield found
            written_s += time.perf_counter() - started
        if times is not None:
            times.add(
                StageTimes(
                    source.photos,
                    load_s,
                    waited_s + source.read_s,
                    source.decode_s,
                    infer.seconds,
                    written_s,
                )
            )

    return run


def _load(model: Model) -> tuple[Network, float]:
    """Return the network on the device that Spark gave this task, and the seconds to load it."""
    started = time.perf_counter()
    context = TaskContext.get()
    threads = context.cpus() if context else 1
    assigned = context.resources().get("gpu") if context else None
    device = "/CPU:0"
    if assigned:
        place = choose_gpu(assigned.addresses, count_gpus(), 0, 1)
        if place is None:
            raise InputError(
                f"Spark gave this task GPU {assigned.addresses[0]} of {socket.gethostname()}, but "
                "TensorFlow sees none there: install TensorFlow for GPUs and the driver, or "
                "remove the setting spark.task.resource.gpu.amount"
            )
        device = f"/GPU:{place}"
    network = load_network(model.network_file.value, threads, device)
    if model.dimension and network.dimensions[0] != model.dimension:
        raise InputError(
            f"the model's file gives {network.dimensions[0]} numbers per photo, but the registry "
            f"says {model.dimension}: the file was replaced; name another version of the model"
        )
    task = f"task {context.partitionId()}" if context else "no task"
    where = f"{socket.gethostname()}: {device}, {threads} threads"
    print(f"devise: {task} on {where}", file=sys.stderr, flush=True)  # noqa: T201  # Spark's log
    return network, time.perf_counter() - started


class _Clocked:
    """A network that counts the seconds spent in it."""

    def __init__(self, network: Network) -> None:
        self._network, self.seconds = network, 0.0
        self.image_size = network.image_size

    def __call__(self, photos: Pixels) -> list[Any]:
        started = time.perf_counter()
        outputs = self._network(photos)
        self.seconds += time.perf_counter() - started
        return outputs


def _with_results(
    rows: pa.RecordBatch, results: Sequence[Vectors | Refusal], model: Model
) -> pa.RecordBatch:
    """Return rows with a column for each output of the model, and `reason` and `message`."""
    good = np.array([not isinstance(result, Refusal) for result in results])
    ends = np.cumsum(good)
    columns = []
    for place in range(len(model.outputs)):
        vectors = [r[place] for r in results if not isinstance(r, Refusal)]
        columns.append(_vector_column(vectors, good, ends))
    reasons = [r.reason.value if isinstance(r, Refusal) else None for r in results]
    messages = [r.message if isinstance(r, Refusal) else None for r in results]
    columns += [pa.array(reasons, pa.string()), pa.array(messages, pa.string())]
    return _extended(rows, columns, [*model.outputs, "reason", "message"])


def _vector_column(vectors: Sequence[Any], good: Any, ends: Any) -> pa.ListArray:
    """Return a column with a list of floats for each good row, null for the others."""
    dimension = len(vectors[0]) if vectors else 0
    values = np.concatenate(vectors) if vectors else np.zeros(0, np.float32)
    offsets = np.concatenate([[0], ends * dimension]).astype(np.int32)
    bad = np.append(~good, False)  # In Arrow a null offset makes the list that begins there null.
    return pa.ListArray.from_arrays(pa.array(offsets, mask=bad), pa.array(values))


def _extended(rows: pa.RecordBatch, columns: Sequence[Any], names: Sequence[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([*rows.columns, *columns], names=[*rows.schema.names, *names])
