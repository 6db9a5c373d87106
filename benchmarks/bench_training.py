"""Training on two ranks, fed by Petastorm, against the same loop on arrays in memory."""

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
from devise_lib.spark.ranks import run_ranks
from devise_lib.spark.session import start_session
from devise_lib.training.projection import Rows, make_feed
from devise_lib.training.settings import Objective, Settings

RANKS, READERS, BATCH, EPOCHS = 2, 4, 256, 3
WORDS, LABELS = 300, 100
SETTINGS = Settings(Objective("rank", 0.1, "all", True), dropout=0.5, batch_size=BATCH)


def measure() -> list[Rate]:
    """Steps a second of a linear map of 2048 features to 300 words.

    The first epoch is not timed.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        urls = [path.as_uri() for path in write_features(Path(folder))]
        rng = np.random.default_rng(1)
        targets = l2_normalize(rng.standard_normal((LABELS, WORDS)).astype(np.float32))
        labels = [f"label_{i}" for i in range(LABELS)]
        flat = np.zeros(DIMENSION), np.ones(DIMENSION)
        rows = Rows(urls, FILES * ROWS, labels, targets, None, *flat)
        spark = start_session("bench_training", {"master": f"local[{RANKS}]"})
        try:
            log = Path(folder) / "ranks.log"
            found = run_ranks(spark, make_job(), rows, RANKS, log)
        finally:
            spark.stop()
    [(fed, fed_loss), (arrays, arrays_loss)] = found[0]
    what = f"training on {RANKS} ranks, {DIMENSION}-D to {WORDS}-D, batches of {BATCH}"
    quality = f"loss {fed_loss:.3f} against {arrays_loss:.3f} after {EPOCHS} epochs"
    return [Rate(what, "steps/s", fed, arrays, "arrays in memory", quality)]


def make_job() -> Any:
    """What each rank runs; a closure, since ranks cannot import this folder."""
    settings, readers, batch, epochs = SETTINGS, READERS, BATCH, EPOCHS

    def job(rows: Rows) -> list[tuple[float, float]]:
        import keras

        from devise_lib.training.head import build_head
        from devise_lib.training.loop import make_optimizer, start_rank, train
        from devise_lib.training.loss import make_loss

        rank, size = start_rank(1, 0)
        fed = make_feed(rows, batch, 0, rank, size, readers)
        steps = rows.count // batch
        held = [part for _, part in zip(range(steps), fed(0), strict=False)]  # this rank's share
        x, y = (np.concatenate([part[i] for part in held]) for i in (0, 1))
        share = batch // size

        def arrays(number: int) -> Any:
            order = np.random.default_rng(number).permutation(len(x))
            for start in range(0, len(x) - share + 1, share):
                yield x[order[start : start + share]], y[order[start : start + share]]

        results = []
        for feed in (fed, arrays):
            keras.utils.set_random_seed(0)
            head = build_head(x.shape[1], rows.targets.shape[1], settings, 0)
            loss = make_loss(settings.objective, rows.targets, 0)
            training = train(head, loss, make_optimizer(settings, steps), feed, steps, epochs)
            next(training)
            next(training)  # the first epoch compiles the step
            started = time.perf_counter()
            *_, losses = training
            rate = (epochs - 1) * steps / (time.perf_counter() - started)
            results.append((rate, losses[-1]))
        return results

    return job
