"""Compares the training feed with pyarrow, which reads the same files."""

import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.rate import Rate
from devise_lib.training.ranks.feed import Feed

FILES, ROWS, DIMENSION = 60, 1_000, 2048


def measure() -> list[Rate]:
    """Returns rows per second of an epoch over 60,000 features of 2048 numbers, with Petastorm's
    start.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = write_features(Path(folder))
        urls = [path.as_uri() for path in paths]
        rates = []
        for readers in (1, 2, 4):
            started = time.perf_counter()
            raw = sum(len(stack(pq.read_table(path))) for path in paths)
            raw_rate = raw / (time.perf_counter() - started)
            feed = Feed(urls, ("feature", "label"), 0, 1, readers, 256, 2_048, seed=0)
            started = time.perf_counter()
            rows, labels = 0, Counter[str]()
            for batch in feed.epoch(0):
                rows += len(batch["label"])
                labels.update(batch["label"])
                if rows >= FILES * ROWS - 2_048:
                    break
            rate = rows / (time.perf_counter() - started)
            what = f"feed of {DIMENSION}-D features, shuffled batches of 256, {readers} readers"
            even = max(labels.values()) / min(labels.values())
            quality = f"{rows:,} rows, commonest label {even:.2f}x the rarest"
            rates.append(Rate(what, "rows/s", rate, raw_rate, "pyarrow", quality))
    return rates


def write_features(folder: Path) -> list[Path]:
    """Writes files as extract_features does: uncompressed, with one row group each."""
    rng = np.random.default_rng(0)
    paths = []
    for i in range(FILES):
        values = rng.standard_normal((ROWS, DIMENSION), dtype=np.float32)
        feature = pa.ListArray.from_arrays(
            pa.array(np.arange(0, values.size + 1, DIMENSION, dtype=np.int32)),
            pa.array(values.ravel()),
        )
        labels = pa.array([f"label_{j % 100}" for j in range(ROWS)])
        paths.append(folder / f"{i}.parquet")
        pq.write_table(
            pa.table({"feature": feature, "label": labels}), paths[-1], compression="none"
        )
    return paths


def stack(table: pa.Table) -> np.ndarray:
    """Returns the features as a matrix, which is what training needs."""
    flat = table.column("feature").combine_chunks().flatten().to_numpy()
    return flat.reshape(-1, DIMENSION)
