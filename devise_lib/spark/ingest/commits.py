"""Commits a chunk of checked files to PHOTOS and QUARANTINE, in steps that a kill may separate.

New photos, and new revisions of changed photos, come first. They are a plain append, the only kind
of commit that a stream over PHOTOS reads. Each step is idempotent. If a run is killed between two
steps, it leaves:

| left behind | who repairs it |
|---|---|
| files that still differ from the tables | the next run reads them again |
| older revisions | `drop_superseded` deletes them |
| rows of QUARANTINE on photos that PHOTOS has | the next run finds them by the listing |
"""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.config.photos import IngestPhotos
from devise_lib.reasons import Reason
from devise_lib.spark.ingest.changes import (
    JOB_NAME,
    read_or_empty,
    refuse_other_folder,
    refused_files,
)
from devise_lib.spark.photos.bad_share import check_share
from devise_lib.spark.photos.superseded import delete_superseded
from devise_lib.spark.platform.session import session_settings
from devise_lib.spark.tables.caching import PersistScope
from devise_lib.spark.tables.delta_tables import Tables, count_by

ROW_GROUP_BYTES = 16 << 20  # small enough for several tasks to read one file of PHOTOS
ROW_GROUPS = {
    "parquet.block.size": str(ROW_GROUP_BYTES),
    "parquet.page.size.row.check.min": "4",  # Photos are large: 100 rows, the default, exceed it.
    "parquet.page.size.row.check.max": "32",
}
MOST_SMALL_FILES = 50
FILE_ROWS, LEAST_FILE_BYTES = 10_000, 1 << 20  # limits of packed files
KNOWN_SCHEMA = (
    "photo_id string, known_path string, known_sha256 string, known_revision int, "
    "known_removed timestamp, refused_reason string"
)
# With these reasons a file could not be read now, which does not make the stored photo invalid.
TRANSIENT_REASONS = (Reason.PERMISSION, Reason.READ_ERROR, Reason.TIME_OUT)
EXAMPLES = 2  # refused files that a message shows
ADVICE = {  # what to do about refused files, by reason
    Reason.NOT_AN_IMAGE: (
        "Leave out files that are no photos by the `include` of their source, as in "
        r"""include = '(?i)\.(jpe?g|png)$'. """
    ),
    Reason.UNSUPPORTED_FORMAT: (
        "Convert such files to JPEG or PNG and unpack archives, or leave them out by the "
        "`include` of their source. "
    ),
    Reason.EMPTY: (
        "Files without bytes are often left by a copy that was stopped: copy them again, or "
        "delete them. "
    ),
}


class Ledger:
    """Counts of what the tables hold, updated with each commit of a run.

    Attributes:
        taken: rows of PHOTOS.
        refused: rows of QUARANTINE on files, by reason.
        counts: files that this run has handled, by outcome.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.counts: Counter[str] = Counter()

    @cached_property
    def taken(self) -> int:  # Most runs find nothing new and never count.
        return read_or_empty(self._tables, "photos").count()

    @cached_property
    def refused(self) -> Counter[str]:
        return Counter(count_by(refused_files(self._tables), "reason"))


def commit_chunk(
    tables: Tables,
    checked: DataFrame,
    known: DataFrame | None,
    config: IngestPhotos,
    ledger: Ledger,
) -> None:
    """Commit a chunk of checked files.

    Args:
        tables: of the work folder; their provenance has `run_id`.
        checked: rows of CHECKED, persisted; their ids are distinct.
        known: photo_id and KNOWN_COLUMNS; None if the tables have none of the photos.
        config: of the job.
        ledger: is updated with what is committed.

    Raises:
        InputError: too many files are refused, or one has the id of a photo that lies elsewhere.
            Then nothing of the chunk is committed.
    """
    bad, is_known = F.col("reason").isNotNull(), F.col("known_revision").isNotNull()
    same = is_known & F.col("sha256").eqNullSafe(F.col("known_sha256"))
    gone = is_known & ~F.col("reason").isin([each.value for each in TRANSIENT_REASONS])
    outcome = F.when(bad & gone, "lost").when(bad, "refused").when(same, "same")
    with PersistScope() as persist:
        if known is None:
            mine = tables.spark.createDataFrame([], KNOWN_SCHEMA)
        else:
            mine = persist(known.join(checked.select("photo_id"), "photo_id", "left_semi"))
        rows = checked.join(F.broadcast(mine), "photo_id", "left").withColumns(
            {
                "outcome": outcome.when(is_known, "changed").otherwise("new"),
                "modification_time": F.timestamp_micros("modified_us"),
                "run_id": F.lit(tables.provenance.get("run_id")).cast("string"),
            }
        )
        groups = rows.groupBy("outcome", "reason", "refused_reason").count().collect()
        taken, refused, done = ledger.taken, Counter(ledger.refused), Counter[str]()
        for row in groups:
            files = row["count"]
            done[row["outcome"]] += files
            refused[row["reason"]] += files if row["reason"] else 0
            refused[row["refused_reason"]] -= files if row["refused_reason"] else 0
        if done["changed"]:
            refuse_other_folder(rows.where("outcome = 'changed'"))
        taken, refused = taken + done["new"], +refused
        check_share(
            *(refused, taken + refused.total(), config.max_bad_share, config.name),
            lambda reason: _advise(reason, rows, refused_files(tables)),
        )
        _commit_photos(tables, rows, done)
        _commit_refused(tables, rows, done, any(row["refused_reason"] for row in groups))
    ledger.taken, ledger.refused = taken, refused
    ledger.counts.update(done)


def _advise(reason: str, *refused: DataFrame) -> str:
    """Return two files that were refused for a reason, and what to do about such files.

    Args:
        reason: the most frequent one.
        refused: rows with path, reason and message; earlier ones are preferred as examples.
    """
    shown: list[str] = []
    for rows in refused:
        files = rows.where(F.col("reason") == reason).select("path", "message")
        shown += [
            f"{row['path']} ({row['message']})" for row in files.orderBy("path").head(EXAMPLES)
        ]
    return advice(reason, shown[:EXAMPLES])


def advice(reason: str, examples: Sequence[str]) -> str:
    """Return examples of files that were refused for a reason, and what to do about such files.

    Args:
        reason: the most frequent one.
        examples: paths with messages.
    """
    shown = f"For example {' and '.join(examples)}. " if examples else ""
    return shown + ADVICE.get(Reason(reason), "")


def _commit_photos(tables: Tables, rows: DataFrame, outcomes: Counter[str]) -> None:
    tables.create_if_missing("photos")
    if outcomes["new"] or outcomes["changed"]:
        fresh = rows.where("outcome IN ('new', 'changed')").withColumns(
            {
                "revision": F.coalesce("known_revision", F.lit(0)) + 1,
                "removed": F.lit(None).cast("timestamp"),
            }
        )
        with session_settings(tables.spark, ROW_GROUPS):
            tables.append("photos", fresh)
    if outcomes["changed"]:
        delete_superseded(tables)
    if outcomes["same"] or outcomes["lost"]:
        stamps = ("path", "size_bytes", "modification_time")
        touched = rows.where("outcome IN ('same', 'lost')").select("photo_id", *stamps, "outcome")
        tables.merge(
            "photos",
            touched,
            "t.photo_id = s.photo_id",
            lambda merge: merge.whenMatchedUpdate(
                "s.outcome = 'same'",
                {**{name: f"s.{name}" for name in stamps}, "removed": "CAST(NULL AS TIMESTAMP)"},
            ).whenMatchedUpdate(
                "s.outcome = 'lost'", {"removed": "coalesce(t.removed, current_timestamp())"}
            ),
        )


def _commit_refused(
    tables: Tables, rows: DataFrame, outcomes: Counter[str], some_before: bool
) -> None:
    """Write the refused files to QUARANTINE, in place of its earlier rows on the chunk's files."""
    tables.create_if_missing("quarantine")
    if not (some_before or outcomes["refused"] or outcomes["lost"]):
        return
    refused = rows.withColumns(
        {"stage": F.lit(JOB_NAME), "model_id": F.lit(None).cast("string")}
    ).select(*tables.read("quarantine").columns)
    if not some_before:
        tables.append("quarantine", refused.where("reason IS NOT NULL"))
        return
    tables.merge(
        "quarantine",
        refused,
        f"t.photo_id = s.photo_id AND t.stage = '{JOB_NAME}'",
        lambda merge: (
            merge.whenMatchedUpdateAll("s.reason IS NOT NULL")
            .whenMatchedDelete()
            .whenNotMatchedInsertAll("s.reason IS NOT NULL")
        ),
    )


def set_removed(tables: Tables, photo_ids: DataFrame, removed: bool) -> int:
    """Mark photos whose files are gone, or clear the mark if the files are back.

    Args:
        tables: of the work folder.
        photo_ids: the photos.
        removed: whether to mark them as removed.

    Returns:
        The number of rows of PHOTOS that changed.
    """
    here = "removed IS NULL" if removed else "removed IS NOT NULL"
    value = "current_timestamp()" if removed else "CAST(NULL AS TIMESTAMP)"
    metrics = tables.merge(
        "photos",
        photo_ids,
        f"t.photo_id = s.photo_id AND t.{here}",
        lambda merge: merge.whenMatchedUpdate(set={"removed": value}),
    )
    return metrics.get("numTargetRowsUpdated", 0)


def forget_refused_files(tables: Tables, photo_ids: DataFrame) -> None:
    """Delete the rows of QUARANTINE on files that are gone or are in PHOTOS now."""
    condition = f"t.photo_id = s.photo_id AND t.stage = '{JOB_NAME}'"
    tables.merge("quarantine", photo_ids, condition, lambda merge: merge.whenMatchedDelete())


def pack_small_files(tables: Tables, file_bytes: int) -> None:
    """Combine the small files of PHOTOS into large ones, if there are many.

    Rows of photos that stay at their paths are small. A packed file holds about FILE_ROWS of them
    at most, because embed_photos takes whole files.

    Args:
        tables: of the work folder.
        file_bytes: upper limit of a file's size.
    """
    if not tables.exists("photos") or (size := tables.size("photos")).files <= MOST_SMALL_FILES:
        return
    row_bytes = size.size_bytes / max(tables.read("photos").count(), 1)
    file_bytes = min(file_bytes, max(round(FILE_ROWS * row_bytes), LEAST_FILE_BYTES))
    small = tables.file_sizes("photos").where(F.col("file_size") < file_bytes // 2).count()
    if small > MOST_SMALL_FILES:
        tables.pack("photos", file_bytes, ROW_GROUPS)
