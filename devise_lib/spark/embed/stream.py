"""The stream from PHOTOS to EMBEDDINGS and QUARANTINE, with each photo once per model.

Spark's stream over PHOTOS remembers what it has read. Each micro-batch is written to both tables
under the stream's id and its number, which Delta accepts once. Such ids alone do not suffice,
because they are lost with the checkpoint. So a batch is compared with the results in four cases:

1. It is the first of a process: the last one may have died between the two tables.
2. Its stream began on tables with rows of the model, as after a lost checkpoint.
3. It has photos that were ingested again.
4. Somebody has removed rows from PHOTOS, as DELETE does.

Photos without a result at the end are found by their ids, and embedded.
"""

import logging
import math
import time
from collections import Counter
from collections.abc import Callable

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.console import print_line
from devise_lib.reasons import Reason
from devise_lib.spark.embed.batches import (
    RowLosses,
    count_files,
    identify,
    in_parts,
    newest,
    read_photos,
    refresh_rows,
)
from devise_lib.spark.embed.model_run import ModelRun
from devise_lib.spark.embed.progress import Progress
from devise_lib.spark.embed.results import (
    JOB_NAME,
    Counts,
    delete_results,
    results_of,
    without_results,
)
from devise_lib.spark.photos.bad_share import check_share
from devise_lib.spark.photos.decoding import Reading
from devise_lib.spark.photos.inference import with_vectors
from devise_lib.spark.platform.stores import spark_path
from devise_lib.spark.tables.caching import Scratch
from devise_lib.spark.tables.maintenance import SPARE_FILES
from devise_lib.storage.stores import store_files

KEEP = ("photo_id", "photo_set", "path", "label", "size_bytes", "modification_time", "sha256")
FILE_ROWS = 25_000  # per unpacked file: 30 MB at 300 numbers per photo, 2 s of a core
RESTART_ERRORS = (  # Delta's errors for a stream that cannot continue where it was
    "DELTA_LOG_FILE_NOT_FOUND_FOR_STREAMING_SOURCE",  # The log no longer reaches back as far.
    "DELTA_MISSING_FILES_UNEXPECTED_VERSION",  # The log lacks the first versions.
    "DIFFERENT_DELTA_TABLE_READ_BY_STREAMING_SOURCE",  # The table was deleted and created again.
    "DELTA_SCHEMA_CHANGED",
    "FAILED_READ_FILE.FILE_NOT_EXIST",  # VACUUM deleted a file that was packed or changed.
    "PATH_NOT_FOUND",  # The same, between the ids and the photos of a micro-batch.
)
MOST_FILES = 1_000  # files with a few photos each that one commit reads
CALLS_PER_TASK = 16  # calls of the network that are worth the start and the last call of a task
STOP_CHECK_S = 1  # seconds between two checks whether a stream is to stop
CALLBACK_LOG = logging.getLogger("py4j.clientserver")
WriteOnce = dict[str, str | int]  # options with which Delta writes a micro-batch once
MIN_TRIED = 1_000  # photos after which the share of refused ones may end a run


def checkpoint(work_dir: str, model_id: str) -> str:
    """Return the folder in which the embedding of a model stores its state between runs."""
    return f"{work_dir}/checkpoints/{JOB_NAME}/{model_id}"


def lock_name(model_id: str) -> str:
    """Return the name of a run's lock, which has the model because two may be embedded at once."""
    return f"{JOB_NAME}-{model_id}"


class Embedder:
    """Embeds photos with a model, and writes the results to the tables.

    Attributes:
        tried: photos that this run has embedded or refused.
        refused: photos that it has refused, by reason.
    """

    def __init__(self, run: ModelRun, scratch: Scratch, progress: Progress, before: Counts) -> None:
        """Prepare to embed; nothing is read yet.

        Args:
            run: the model, and the tables.
            scratch: holds rows that come from the tables that are written.
            progress: counts what is done.
            before: results that the tables have of the model already.
        """
        tables, config, model_id = run.tables, run.config, run.model_id
        self._tables, self._config, self._model = tables, config, run.model
        self._model_id, self._progress = model_id, progress
        self._folder = checkpoint(tables.work_dir, model_id)
        self._compare_mark = f"{self._folder}/compare"  # If it exists, every photo is looked up.
        self._scratch, self._stop_signal = scratch, run.stop_signal
        self._reading = Reading(
            config.decode_threads,
            config.read_threads,
            config.prefetch_bytes,
            config.read_timeout_s,
        )
        self._before = before
        self._compare = before.total > 0  # for the next batch
        self._losses, self._batches = RowLosses(tables, "photos"), 0
        self.tried = 0
        self.refused: Counter[str] = Counter()

    def embed_stream(self) -> None:
        """Embed all photos that the stream over PHOTOS has not read yet, or until the stop signal.

        The next run does what is left then. A stream that cannot continue where it was starts over,
        and then looks every photo up.
        """
        try:
            self._read(availableNow=True)
        except StreamingQueryException as error:
            self._restart_stream(error)
            self._read(availableNow=True)
        if not self._stop_signal.requested:  # By now every photo has been compared.
            store_files().remove(self._compare_mark)

    def embed_live(self, tidy: Callable[[], None]) -> None:
        """Embed new photos every `poll_interval_s` seconds, until the stop signal.

        A stream that cannot continue where it was starts over, and then looks every photo up.

        Args:
            tidy: called between two micro-batches, each time that SPARE_FILES have been written.
        """
        while not self._stop_signal.requested:
            before = self._batches
            try:
                self._read(tidy, processingTime=f"{self._config.poll_interval_s} seconds")
            except StreamingQueryException as error:
                if self._is_marked() and self._batches == before:
                    raise  # It has started over already, and that did not help.
                self._restart_stream(error)

    def embed_missing(self, version: int) -> None:
        """Embed the photos of a version of PHOTOS that have no result.

        Only files that hold such photos are read, per part as many as in a micro-batch, or more if
        each holds few. The stop signal is checked between two parts.
        """
        photos = identify(self._tables.read("photos", version))
        missing = photos.join(results_of(self._tables, self._model_id), "photo_id", "left_anti")
        missing = self._scratch.save(newest(missing), "missing")
        files, _ = count_files(missing)
        for part in in_parts(files, FILE_ROWS, self._config.files_per_batch, MOST_FILES):
            if self._stop_signal.requested:
                return
            self._embed(missing.where(F.col("file").isin(part)), compare=False, once={})

    def _restart_stream(self, error: StreamingQueryException) -> None:
        """Let the next stream look up all photos; raises the error if that would not help."""
        if not any(condition in str(error) for condition in RESTART_ERRORS):
            raise error
        print_line(f"{JOB_NAME}  PHOTOS is not what the last stream read: looking at all photos")
        self._mark()  # First, because a kill may leave a part of the folder.
        store_files().remove(f"{self._folder}/stream")
        self._compare = True

    def _mark(self) -> None:
        store_files().write(self._compare_mark, b"")

    def _is_marked(self) -> bool:
        return store_files().status(self._compare_mark) is not None

    def _read(self, tidy: Callable[[], None] | None = None, **trigger: object) -> None:
        if self._compare and store_files().status(f"{self._folder}/stream/offsets") is None:
            self._mark()

        def write_batch(batch: DataFrame, number: int) -> None:
            stream_id = batch.sparkSession.sparkContext.getLocalProperty("sql.streaming.queryId")
            once: WriteOnce = {"txnAppId": f"{JOB_NAME}:{stream_id}", "txnVersion": number}
            compare = self._compare or self._is_marked()
            if self._before.total or self.tried:  # Photos may be deleted and ingested again.
                compare = compare or self._losses.happened()
            self._embed(batch, compare, once)
            self._compare = False
            self._batches += 1
            if tidy and (number + 1) % SPARE_FILES == 0:
                tidy()

        source = (
            self._tables.spark.readStream.format("delta")
            .option("maxFilesPerTrigger", self._config.files_per_batch)
            .option("skipChangeCommits", True)  # These mark photos as removed, or superseded.
            .load(self._tables.path("photos"))
        )
        query = (
            identify(source)
            .writeStream.foreachBatch(write_batch)
            .option("checkpointLocation", spark_path(self._tables.spark, f"{self._folder}/stream"))
            .trigger(**trigger)
            .start()
        )
        try:
            while not (query.awaitTermination(STOP_CHECK_S) or self._stop_signal.requested):
                pass
        finally:
            # A call that `stop` interrupts is no fault.
            CALLBACK_LOG.disabled = self._stop_signal.requested
            query.stop()
            CALLBACK_LOG.disabled = False

    def _embed(self, ids: DataFrame, compare: bool, once: WriteOnce) -> None:
        """Embed the photos that have no result of the model, and write each result to its table.

        Args:
            ids: the columns of `identify`.
            compare: look all of them up; otherwise only those that were ingested again.
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
        # Saved, because both tables and the counts need the same: a second try may refuse others.
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
        if self.tried >= MIN_TRIED:  # If too many are refused, the rest is not worth its cost.
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
        """Return photos in tasks that are worth their start, and that keep all cores busy.

        The last call of the network takes as long as the others, so a task should have several.
        Tables of paths have a few bytes per photo, so one of Spark's own tasks would take very
        many. If less than half of the files' rows are wanted, all cores read these before they are
        distributed again.
        """
        sparse = 2 * count < in_files
        cores = self._tables.spark.sparkContext.defaultParallelism
        tasks = photos.rdd.getNumPartitions()
        calls = math.ceil(count / self._config.batch_size)
        least = max(math.ceil(count / self._config.photos_per_task), min(cores, calls))
        most = max(least, math.ceil(calls / CALLS_PER_TASK))
        if tasks < least or (sparse and tasks > most):
            return photos.repartition(most if sparse else least, "photo_id")
        return photos.coalesce(most)
