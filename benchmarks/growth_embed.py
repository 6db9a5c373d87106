"""Measures how embed_photos scales to 4 and 16 times as many photos, and to two executors.

python benchmarks/growth_embed.py [photos] [executors]

Photos are JPEGs of 64x64. The growth is measured with a network without cost, so that all other
costs show. The executors are measured with MobileNet, in batches of which a commit is a small part.
The job runs as a separate program. Anonymous memory (RssAnon) is sampled of the driver's Python,
its JVM and the largest Python worker. Prints lines for RESULTS.md.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.embedding import (  # noqa: E402 - found by the line above
    ingest,
    mobilenet,
    null_model,
    work_folder,
    write_photos,
)
from benchmarks.memory_words import peak_memory  # noqa: E402
from devise_lib.config.photos import EmbedPhotos  # noqa: E402
from devise_lib.run_record import read_record  # noqa: E402
from devise_lib.spark.platform.session import start_session  # noqa: E402
from devise_lib.tracking import MlflowClient, connect  # noqa: E402

SMALLEST, TIMES = 2_000, (1, 4, 16)
EXECUTOR_BATCH = "embed_photos.files_per_batch=12"  # 7,000 photos; the first is not counted
LOCAL = ("spark.master=local[2]", "spark.driver.memory=1g")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("of", nargs="*", choices=("photos", "executors"), default=())
    wanted = parser.parse_args().of or ("photos", "executors")
    with tempfile.TemporaryDirectory(prefix="devise-photos-") as folder:
        photos = Path(folder)
        write_photos(photos, SMALLEST * TIMES[-1], 64, 64)
        if "photos" in wanted:
            grow_photos(photos)
        if "executors" in wanted:
            grow_executors(photos)


def grow_photos(photos: Path) -> None:
    print(
        "| photos | commits | photos/s | whole run | driver's Python | its JVM | largest worker |"
    )
    print("|---|---|---|---|---|---|---|")
    for times in TIMES:
        with work_folder(devise=null_model()) as work_dir:
            fill(work_dir, photos, SMALLEST * times)
            settings = ("embed_photos.files_per_batch=1", *LOCAL)
            rate, seconds, peaks = run(work_dir, *settings)
            sizes = (f"{peaks[kind] / 2**20:,.0f} MB" for kind in ("driver", "jvm", "worker"))
            cells = f"{SMALLEST * times:,} | {count_commits(work_dir)} | {rate:,.0f}"
            print(f"| {cells} | {seconds:.0f} s | {' | '.join(sizes)} |", flush=True)


def grow_executors(photos: Path) -> None:
    print("\n| executors | photos/s | whole run |\n|---|---|---|")
    for executors in (1, 2, 1, 2):
        with work_folder(devise=mobilenet()) as work_dir:
            fill(work_dir, photos, 8 * SMALLEST)
            master = f"spark.master=local-cluster[{executors},1,1500]"
            rate, seconds, _ = run(work_dir, EXECUTOR_BATCH, master, "spark.driver.memory=1g")
            print(f"| {executors} | {rate:,.0f} | {seconds:.0f} s |", flush=True)


def fill(work_dir: str, photos: Path, number: int) -> None:
    """Ingests photos into PHOTOS, with 1,000 per file of the table, and so per commit."""
    some = Path(work_dir) / "photos"
    for path in sorted(photos.rglob("*.jpg"))[:number]:
        target = some / path.relative_to(photos)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.hardlink_to(path)
    spark = start_session("growth_embed", {"master": "local[2]", "driver.memory": "2g"})
    file_bytes = 1_000 * sum(path.stat().st_size for path in some.rglob("*.jpg")) // number
    ingest(spark, work_dir, some, file_bytes=file_bytes)
    spark.stop()  # leaves the whole machine to the job
    shutil.rmtree(some)


def run(work_dir: str, *settings: str) -> tuple[float, float, dict[str, int]]:
    """Returns photos/s without loading, seconds of the whole program, and peak bytes by process."""
    values = [f"work_dir={work_dir}", f"tracking_uri=sqlite:///{work_dir}/mlflow.db", *settings]
    words = [word for value in values for word in ("--set", value)]
    command = [sys.executable, "jobs/embed_photos.py", "--config", "conf/local.toml", *words]
    started = time.perf_counter()
    peaks = peak_memory(command)
    seconds = time.perf_counter() - started
    connect(EmbedPhotos(work_dir=work_dir))
    record = read_record(work_dir, "embed_photos")
    metrics = MlflowClient().get_run(record.run_id).data.metrics
    return metrics["photos_per_s"], seconds, peaks


def count_commits(work_dir: str) -> int:
    return len(list(Path(work_dir, "tables", "embeddings", "_delta_log").glob("*.json")))


if __name__ == "__main__":
    main()
