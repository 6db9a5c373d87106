"""Draws the loss of one training by epoch on 1, 2 and 4 ranks, where the curves coincide.

python benchmarks/curves_of_ranks.py docs/loss_by_ranks.svg
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).parents[1]))

from devise_lib.numerics.vectors import l2_normalize
from devise_lib.spark.platform.session import start_session
from devise_lib.spark.train.horovod_ranks import RanksLogs, run_ranks
from devise_lib.training.plan import DatasetSpec, ProjectionPlan, TrainingSpec
from devise_lib.training.projection import train_projections
from devise_lib.training.settings import Objective, Settings

RANKS = (1, 2, 4)
LABELS, PHOTOS, FEATURES, WORDS = 30, 6_000, 64, 20
SETTINGS = Settings(
    Objective("rank", 0.3, "all", True), learning_rate=0.03, epochs=12, batch_size=120
)


def main() -> None:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        rows = write_rows(Path(folder))
        plan = ProjectionPlan(
            settings=[SETTINGS],
            folds=[],
            trainings=[TrainingSpec("devise", "devise-0", rows, 0)],
            seed=0,
            patience=0,
            readers=max(RANKS),  # so the ranks together have the same batches
            cache_bytes=2**30,
            folder="",
            checkpoint_steps=1,
            threads=1,
        )
        spark = start_session("curves_of_ranks", {"master": f"local[{max(RANKS)}]"})
        log = Path(folder) / "ranks.log"
        losses = {}
        for ranks in RANKS:
            trained = run_ranks(spark, train_projections, plan, ranks, RanksLogs.beside(log))[
                0
            ].trained
            losses[ranks] = np.array(trained["devise-0"].losses)
        spark.stop()
    draw(losses, Path(sys.argv[1]))
    for ranks in RANKS[1:]:
        apart = np.max(np.abs(losses[ranks] - losses[1]) / losses[1])
        print(f"{ranks} ranks: the loss differs from that of one rank by at most {apart:.1e} of it")


def write_rows(folder: Path) -> DatasetSpec:
    """Writes features around a centre for each label, in as many files as there may be readers."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, LABELS, PHOTOS)
    centres = rng.standard_normal((LABELS, FEATURES))
    features = (centres[truth] + 1.5 * rng.standard_normal((PHOTOS, FEATURES))).astype(np.float32)
    labels = [f"label {place}" for place in range(LABELS)]
    urls = []
    for part in range(8):
        mine = slice(part, None, 8)
        table = pa.table(
            {
                "feature": pa.array(features[mine].tolist(), pa.list_(pa.float32())),
                "label": [labels[place] for place in truth[mine]],
            }
        )
        path = folder / f"{part}.parquet"
        pq.write_table(table, path)
        urls.append(path.as_uri())
    targets = l2_normalize(rng.standard_normal((LABELS, WORDS)).astype(np.float32))
    mean, deviation = (np.asarray(f(features, 0), np.float64) for f in (np.mean, np.std))
    return DatasetSpec(urls, PHOTOS, labels, targets, None, mean, deviation)


def draw(losses: dict[int, np.ndarray], path: Path) -> None:
    """Draws wide lines below thin ones, so that all are visible where they coincide."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.add_subplot()
    styles = zip(losses.items(), (9, 5, 1.5), ("#d9e0e6", "#7fb8bc", "#1f2933"), strict=True)
    for (ranks, curve), width, colour in styles:
        name = "1 rank" if ranks == 1 else f"{ranks} ranks"
        axes.plot(range(1, len(curve) + 1), curve, lw=width, color=colour, label=name)
    axes.set_xlabel("epoch")
    axes.set_ylabel("mean loss")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
