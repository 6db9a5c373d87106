"""Compares training on two ranks, fed by Petastorm, with the same loop on arrays in memory."""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench_feed import DIMENSION, FILES, ROWS, write_features
from benchmarks.rate import Rate
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.spark.platform.session import start_session
from devise_lib.spark.train.horovod_ranks import RanksLogs, run_ranks
from devise_lib.training.plan import DatasetSpec
from devise_lib.training.settings import Objective, Settings

RANKS, READERS, BATCH, EPOCHS = 2, 4, 256, 3
CACHE_BYTES = 2**33
WORDS, LABELS = 300, 100
SETTINGS = Settings(Objective("rank", 0.1, "all", True), dropout=0.5, batch_size=BATCH)


def measure() -> list[Rate]:
    """Returns steps per second of a linear map of 2048 features to 300 words.

    The first epoch is not timed, because it compiles the step and fills the cache of features.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        urls = [path.as_uri() for path in write_features(Path(folder))]
        rng = np.random.default_rng(1)
        targets = l2_normalize(rng.standard_normal((LABELS, WORDS)).astype(np.float32))
        labels = [f"label_{i}" for i in range(LABELS)]
        flat = np.zeros(DIMENSION), np.ones(DIMENSION)
        rows = DatasetSpec(urls, FILES * ROWS, labels, targets, None, *flat)
        spark = start_session("bench_training", {"master": f"local[{RANKS}]"})
        try:
            log = Path(folder) / "ranks.log"
            found = run_ranks(spark, make_job(), rows, RANKS, RanksLogs.beside(log))
        finally:
            spark.stop()
    *feeds, (arrays, arrays_loss) = found[0]
    rates = []
    for name, (rate, loss) in zip(("as it is by default", "without a cache"), feeds, strict=True):
        what = f"{RANKS} ranks, {DIMENSION}-D to {WORDS}-D, batches of {BATCH}, {name}"
        quality = f"loss {loss:.3f} against {arrays_loss:.3f} after {EPOCHS} epochs"
        rates.append(Rate(what, "steps/s", rate, arrays, "arrays in memory", quality))
    return rates


def make_job() -> Any:
    """Returns what each rank runs, as a closure, because ranks cannot import this folder."""
    settings, readers, batch, epochs, cache_bytes = SETTINGS, READERS, BATCH, EPOCHS, CACHE_BYTES

    def job(rows: DatasetSpec) -> list[tuple[float, float]]:
        import keras

        from devise_lib.training.head import build_head
        from devise_lib.training.loss import make_loss
        from devise_lib.training.projection import COLUMNS, standardised
        from devise_lib.training.ranks.feed import Feed, make_cache
        from devise_lib.training.ranks.loop import Trainable, make_optimizer, start_rank, train

        rank, size = start_rank(1, 0)
        steps, share = rows.count // batch, batch // size

        def rate_and_loss(feed: Any) -> tuple[float, float]:
            keras.utils.set_random_seed(0)
            head = build_head(len(rows.mean), rows.targets.shape[1], settings, 0)
            draw = keras.random.SeedGenerator(0)
            loss = make_loss(settings.objective, rows.targets, draw)
            trainable = Trainable(head, loss, feed, steps)
            training = train(trainable, make_optimizer(settings, steps), epochs)
            next(training)
            next(training)  # the first epoch
            started = time.perf_counter()
            *_, losses = training
            return (epochs - 1) * steps / (time.perf_counter() - started), losses[-1]

        def fed(cache: Any = None) -> Any:
            ranks = rank, size, readers
            plain = Feed(rows.file_urls, COLUMNS, *ranks, batch, 8 * batch, 0, cache)
            return standardised(plain, rows)

        held = [part for _, part in zip(range(steps), fed()(0), strict=False)]  # this rank's share
        x, y = (np.concatenate([part[i] for part in held]) for i in (0, 1))

        def arrays(number: int) -> Any:
            order = np.random.default_rng(number).permutation(len(x))
            for start in range(0, len(x) - share + 1, share):
                yield x[order[start : start + share]], y[order[start : start + share]]

        with make_cache(cache_bytes, size) as cache:
            return [rate_and_loss(each) for each in (fed(cache), fed(), arrays)]

    return job
