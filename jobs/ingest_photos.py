"""Ingests photos of folders, globs, tars, tables and CIFAR; only what has changed is read.

in   ingest_photos.source
out  PHOTOS             one row per photo, judged by its header: new photos, new revisions of
                        changed ones; photos whose files are gone are marked
     QUARANTINE         files that are no photos, with a reason
     INGESTED_ARCHIVES  the tars and files of CIFAR that need not be opened again

A run that was killed continues when it is started again.

    python jobs/ingest_photos.py --config conf/local.toml --set ingest_photos.source=FOLDER
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.photos import IngestPhotos

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(IngestPhotos)

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.spark.ingest.run import ingest, listed_without_photo
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.job.graceful_stop import StopSignal, repeat
from devise_lib.spark.tables.delta_tables import Tables


def run(spark: SparkSession, config: IngestPhotos) -> dict[str, int]:
    """Ingest the photos of all sources once or, with `poll_interval_s`, until the job is stopped.

    Returns:
        Counts by name: photos, quarantined, and, unless 0, changed, removed, unchanged and "listed
        without a photo".
    """
    tables = Tables.of(spark, config, run_id=tracking.current_run_id())
    if config.poll_interval_s:
        with StopSignal() as stop_signal:
            counts = repeat(
                lambda: ingest(tables, config, lambda: stop_signal.requested),
                stop_signal,
                config.poll_interval_s,
                config.name,
            )
    else:
        counts = ingest(tables, config)
    listed = listed_without_photo(config, tables)
    return {**counts, "listed without a photo": listed} if listed else counts


if __name__ == "__main__":
    run_job(run, IngestPhotos)
