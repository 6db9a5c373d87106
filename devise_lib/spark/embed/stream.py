"""PHOTOS to EMBEDDINGS and QUARANTINE, each photo once for a model.

Three things make it so. The engine's own stream over the Delta table of photos remembers what was
read. Each micro-batch is written to both tables under the stream's id and its number, which Delta
takes once. And where these cannot be trusted, photos are compared with what the tables hold: in
the first batch of a process, since the one before may have died between the two tables; all along
a stream that began on tables with rows of the model, as after a lost checkpoint; and for photos
that were ingested anew. What is missing at the end all the same is found by its id and embedded.
"""

import logging
import math
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.config.photos import EmbedPhotos
from devise_lib.console import print_line
from devise_lib.reasons import Reason
from devise_lib.spark.embed.batches import (
    Losses,
    count_files,
    identify,
    in_parts,
    newest,
    read_photos,
    refresh_rows,
)
from devise_lib.spark.embed.progress import Progress
from devise_lib.spark.embed.results import Counts, delete_results, results_of, without_results
from devise_lib.spark.job.graceful_stop import StopSignal
from devise_lib.spark.photos.bad_share import check_share
from devise_lib.spark.photos.decoding import Reading
from devise_lib.spark.photos.inference import Model, with_vectors
from devise_lib.spark.platform.hadoop_files import worker_files
from devise_lib.spark.tables.caching import Scratch
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.maintenance import SPARE_FILES

KEEP = ("photo_id", "photo_set", "path", "label", "size_bytes", "modification_time", "sha256")
JOB_NAME = "embed_photos"
FILE_ROWS = 25_000  # a file, until it is packed: 30 MB at 300 numbers a photo, 2 s of a core
RESTART_ERRORS = (  # how Delta says that a stream cannot go on from where it was
    "DELTA_LOG_FILE_NOT_FOUND_FOR_STREAMING_SOURCE",  # the log does not reach back as far
    "DELTA_MISSING_FILES_UNEXPECTED_VERSION",  # nor do its first versions
    "DIFFERENT_DELTA_TABLE_READ_BY_STREAMING_SOURCE",  # the table was deleted and made anew
    "DELTA_SCHEMA_CHANGED",
    "FAILED_READ_FILE.FILE_NOT_EXIST",  # VACUUM took a file that was packed or changed since
    "PATH_NOT_FOUND",  # the same, between the ids and the photos of a micro-batch
)
MOST_FILES = 1_000  # that hold a few photos each and are read for one commit
CALLS = 16  # of the network, that make up for starting a task and for its last call
LOOK_S = 1  # between two looks whether a stream is to stop; at its end it returns at once
CALLS_OF_PYTHON = logging.getLogger("py4j.clientserver")
Once = dict[str, str | int]  # options under which Delta writes a micro-batch once
MIN_TRIED = 1_000  # photos after which the share of bad ones may end a run


def checkpoint(work_dir: str, model_id: str) -> Path:
    """The folder of what a model's embedding remembers between runs."""
    return Path(work_dir) / "checkpoints" / JOB_NAME / model_id


def lock_name(model_id: str) -> str:
    """What a run of the model holds the lock of: two models may be embedded at once."""
    return f"{JOB_NAME}-{model_id}"


class Embedder:
    """A model that embeds photos into the tables.

    Attributes:
        tried: photos that this run has embedded or refused.
        refused: those that it has refused, by reason.
    """

    def __init__(
        self,
        tables: Tables,
        config: EmbedPhotos,
        model: Model,
        model_id: str,
        scratch: Scratch,
        progress: Progress,
        stop_signal: StopSignal,
        *,
        before: Counts,
    ) -> None:
        """
        Args:
            tables: with PHOTOS; their provenance names the run.
            config: of the job.
            model: on its way to the workers.
            model_id: that rows carry.
            scratch: for what is made of the tables that are written.
            progress: is told what was done.
            stopper: ends a stream between two looks at it.
            before: what the tables have of the model already.
        """
        self._tables, self._config, self._model = tables, config, model
        self._model_id, self._progress = model_id, progress
        self._folder = checkpoint(tables.work_dir, model_id)
        self._compare_mark = self._folder / "compare"  # there: every photo is looked up
        self._scratch, self._stop_signal = scratch, stop_signal
        self._reading = Reading(
            config.decode_threads,
            config.read_threads,
            config.prefetch_bytes,
            config.read_timeout_s,
            worker_files(tables.spark),
        )
        self._before = before
        self._compare = before.total > 0  # in the next batch
        self._losses, self._batches = Losses(tables, "photos"), 0
        self.tried = 0
        self.refused: Counter[str] = Counter()

    def embed_stream(self) -> None:
        """Embed what the stream over PHOTOS has not read yet; returns when there is none left.

        Or when it is to stop; what it was at is done by the next run.

        A stream that cannot go on from where it was begins anew, and then looks every photo up.
        """
        try:
            self._read(availableNow=True)
        except StreamingQueryException as error:
            self._begin_anew(error)
            self._read(availableNow=True)
        if not self._stop_signal.requested:  # every photo has been compared now
            self._compare_mark.unlink(missing_ok=True)

    def embed_live(self, tidy: Callable[[], None]) -> None:
        """Embed new photos, looked for every `poll_interval_s` seconds; returns when it is to stop.

        A stream that cannot go on begins anew, as that of `embed_stream` does.

        Args:
            tidy: called between two micro-batches, each time that SPARE_FILES have been written.
        """
        while not self._stop_signal.requested:
            before = self._batches
            try:
                self._read(tidy, processingTime=f"{self._config.poll_interval_s} seconds")
            except StreamingQueryException as error:
                if self._compare_mark.exists() and self._batches == before:
                    raise  # it has begun anew, and that did not help
                self._begin_anew(error)

    def embed_missing(self, version: int) -> None:
        """Embed the photos of PHOTOS at a version that neither table has.

        Only the files that hold such photos are read, as many at once as in a micro-batch or, of
        such as hold few of them, more. Between two parts it may be stopped.
        """
        photos = identify(self._tables.read("photos", version))
        missing = photos.join(results_of(self._tables, self._model_id), "photo_id", "left_anti")
        missing = self._scratch.save(newest(missing), "missing")
        parts = in_parts(
            count_files(missing)[0], FILE_ROWS, self._config.files_per_batch, MOST_FILES
        )
        for files in parts:
            if self._stop_signal.requested:
                return
            self._embed(missing.where(F.col("file").isin(files)), compare=False, once={})

    def _begin_anew(self, error: StreamingQueryException) -> None:
        """Have the next stream look up all photos; raises the error where that would not help."""
        if not any(condition in str(error) for condition in RESTART_ERRORS):
            raise error
        print_line(f"{JOB_NAME}  PHOTOS are not what the last stream read: looking at all of them")
        self._compare_mark.touch()  # first: a part of the folder may be left if it is killed
        shutil.rmtree(self._folder / "stream")
        self._compare = True

    def _read(self, tidy: Callable[[], None] | None = None, **trigger: object) -> None:
        if not (self._folder / "stream" / "offsets").exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            if self._compare:
                self._compare_mark.touch()

        def write_batch(batch: DataFrame, number: int) -> None:
            stream_id = batch.sparkSession.sparkContext.getLocalProperty("sql.streaming.queryId")
            once: Once = {"txnAppId": f"{JOB_NAME}:{stream_id}", "txnVersion": number}
            compare = self._compare or self._compare_mark.exists()
            if self._before.total or self.tried:  # they may come again: deleted, ingested anew
                compare = compare or self._losses.happened()
            self._embed(batch, compare, once)
            self._compare = False
            self._batches += 1
            if tidy and (number + 1) % SPARE_FILES == 0:
                tidy()

        source = (
            self._tables.spark.readStream.format("delta")
            .option("maxFilesPerTrigger", self._config.files_per_batch)
            .option("skipChangeCommits", True)  # they mark photos as removed, or superseded
            .load(self._tables.path("photos"))
        )
        query = (
            identify(source)
            .writeStream.foreachBatch(write_batch)
            .option("checkpointLocation", str(self._folder / "stream"))
            .trigger(**trigger)
            .start()
        )
        try:
            while not (query.awaitTermination(LOOK_S) or self._stop_signal.requested):
                pass
        finally:
            CALLS_OF_PYTHON.disabled = (
                self._stop_signal.requested
            )  # what `stop` cuts off is no fault
            query.stop()
            CALLS_OF_PYTHON.disabled = False

    def _embed(self, ids: DataFrame, compare: bool, once: Once) -> None:
        """Embed the photos that neither table has for the model, and write them to one of them.

        Args:
            ids: of `identify`.
            compare: whether they are looked up; if not, only those that were ingested anew.
            once: of a micro-batch; empty for photos that no stream brings.
        """
        files, has_revised = count_files(ids)
        now = refresh_rows(ids, files, self._tables, self._scratch)
        fresh, stale = without_results(
            now,
            self._tables,
            self._model_id,
            self._scratch,
            compare=compare,
            has_revised=has_revised,
        )
        if fresh is not ids:
            files, _ = count_files(fresh)
        if not files:
            return
        photos, in_files = read_photos(fresh, files, self._tables)
        photos = self._spread(photos, sum(files.values()), in_files)
        run_id = self._tables.provenance["run_id"]
        made_by = {"model_id": self._model_id, "run_id": run_id, "stage": JOB_NAME}
        columns = {name: F.lit(value) for name, value in made_by.items()}
        # Saved, since both tables and the counts want the same: a second try may refuse others.
        results = self._scratch.save(self._with_vectors(photos).withColumns(columns), "results")
        counts = {
            row["reason"]: row["count"] for row in results.groupBy("reason").count().collect()
        }
        started = time.monotonic()
        if stale is not None:
            delete_results(self._tables, self._model_id, stale)
        good = counts.get(None, 0)
        if good:
            rows = results.where("reason IS NULL").coalesce(math.ceil(good / FILE_ROWS))
            self._tables.append("embeddings", rows, **once)
        if bad := sum(counts.values()) - good:
            rows = results.where("reason IS NOT NULL").coalesce(math.ceil(bad / FILE_ROWS))
            self._tables.append("quarantine", rows, **once)
        self._progress.end_batch(time.monotonic() - started)
        self.tried += sum(counts.values())
        self.refused.update({reason: n for reason, n in counts.items() if reason})
        if self.tried >= MIN_TRIED:  # no need to pay for the rest of them
            refused, tried = self._before.refused + self.refused, self._before.total + self.tried
            check_share(refused, tried, self._config.max_bad_share, JOB_NAME)

    def _with_vectors(self, photos: DataFrame) -> DataFrame:
        results = with_vectors(
            photos, self._model, (*KEEP, "removed"), self._reading, self._progress.times
        )
        missing = F.col("reason") == Reason.MISSING_FILE.value
        gone = F.when(missing & F.col("removed").isNotNull(), Reason.REMOVED.value)
        results = results.withColumn("reason", F.coalesce(gone, "reason")).drop("removed")
        if "feature" not in self._model.outputs:
            return results.withColumn("feature", F.lit(None).cast("array<float>"))
        return results

    def _spread(self, photos: DataFrame, count: int, in_files: int) -> DataFrame:
        """Photos in tasks that are worth their start, and small enough for all cores to share.

        A task's last call of the network is as long as the others whatever it holds, so a task
        should have several. Tables of paths are a few bytes a photo: there a task of Spark's own
        would take very many. Where a minority of the rows in the files are wanted, all cores read
        these before the photos are dealt out.
        """
        sparse = 2 * count < in_files
        cores = self._tables.spark.sparkContext.defaultParallelism
        tasks = photos.rdd.getNumPartitions()
        calls = math.ceil(count / self._config.batch_size)
        least = max(math.ceil(count / self._config.photos_per_task), min(cores, calls))
        most = max(least, math.ceil(calls / CALLS))
        if tasks < least or (sparse and tasks > most):
            return photos.repartition(most if sparse else least, "photo_id")
        return photos.coalesce(most)
