"""Rows of WORD_VECTORS as Arrow batches, for tasks that make them."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql.pandas.types import to_arrow_schema

from devise_lib.spark.tables.schemas import WORD_VECTORS

ROWS = 1_000  # vectors per batch
ARROW_ROWS = pa.schema([(f.name, f.type) for f in to_arrow_schema(WORD_VECTORS)])


def word_batch(
    words: Sequence[str],
    counts: Sequence[int | None],
    ranks: NDArray[np.int64],
    vectors: NDArray[np.float32],
) -> pa.RecordBatch:
    """Return a batch of n words with counts and ranks (n,), and vectors (n, d)."""
    values = np.ascontiguousarray(vectors, dtype=np.float32)
    ends = np.arange(0, values.size + 1, values.shape[1], dtype=np.int32)
    columns = [
        pa.array(words, pa.string()),
        pa.array(counts, pa.int64()),
        pa.array(ranks, pa.int32()),
        pa.ListArray.from_arrays(pa.array(ends), pa.array(values.ravel())),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=ARROW_ROWS)
