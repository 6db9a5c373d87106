"""The training feed against pyarrow reading the same files."""

import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.rate import Rate
from devise_lib.training.feed import Feed

FILES, ROWS, DIMENSION = 20, 1_000, 2048


def measure() -> list[Rate]:
    """Rows a second of one pass over 20,000 features of 2048 numbers."""
    with tempfile.TemporaryDirectory() as folder:
        paths = write_features(Path(folder))
        started = time.perf_counter()
        raw = sum(len(stack(pq.read_table(path))) for path in paths)
        raw_seconds = time.perf_counter() - started
        urls = [path.as_uri() for path in paths]
        feed = Feed(urls, ("feature", "label"), 0, 1, 256, 2_048, seed=0)
        started = time.perf_counter()
        rows = 0
        for batch in feed.batches():
            rows += len(batch["label"])
            if rows >= FILES * ROWS - 2_048:
                break
        seconds = time.perf_counter() - started
    what = f"feed of {DIMENSION}-D features, shuffled batches of 256"
    quality = f"{rows:,} rows"
    return [Rate(what, "rows/s", rows / seconds, raw / raw_seconds, "pyarrow", quality)]


def write_features(folder: Path) -> list[Path]:
    """Files as extract_features writes them: uncompressed, a row group each."""
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
    """The features as a matrix, which is what the training wants."""
    flat = table.column("feature").combine_chunks().flatten().to_numpy()
    return flat.reshape(-1, DIMENSION)
