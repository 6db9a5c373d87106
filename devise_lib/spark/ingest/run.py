"""Updates PHOTOS and QUARANTINE from all sources: files that are new, changed, gone or back."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.config.photos import IngestPhotos
from devise_lib.spark.ingest.archive_members import MemberReader, Members
from devise_lib.spark.ingest.changes import (
    KNOWN_COLUMNS,
    find_removed,
    read_known,
    read_or_empty,
    refused_files,
)
from devise_lib.spark.ingest.checks import Limits, check_files
from devise_lib.spark.ingest.chunks import cut_into_chunks
from devise_lib.spark.ingest.commits import (
    Ledger,
    commit_chunk,
    forget_refused_files,
    pack_small_files,
    set_removed,
)
from devise_lib.spark.ingest.known_archives import (
    TABLE,
    KnownArchives,
    compare_archives,
    forget_archives,
    remember_archives,
)
from devise_lib.spark.ingest.survey import Survey, survey
from devise_lib.spark.ingest.table_source import with_content
from devise_lib.spark.photos.superseded import drop_superseded
from devise_lib.spark.tables.caching import PersistScope, Scratch
from devise_lib.spark.tables.delta_tables import Tables, count_by
from devise_lib.spark.tables.maintenance import vacuum
from devise_lib.text.labels.photo_labels import read_photo_labels


@dataclass(frozen=True)
class Run:
    """One run over all sources.

    Attributes:
        tables: of the work folder.
        config: of the job.
        stop_requested: asked before each chunk; if true, the rest is left to the next run.
        seen: what the sources hold.
        ledger: what the tables hold.
        scratch: holds rows that come from the tables, which the run changes.
        persist: persists DataFrames until the run ends.
    """

    tables: Tables
    config: IngestPhotos
    stop_requested: Callable[[], bool]
    seen: Survey
    ledger: Ledger
    scratch: Scratch
    persist: PersistScope

    def commit_chunk(self, rows: DataFrame, known: DataFrame | None) -> None:
        """Read a chunk, commit it, and free what Spark has persisted of it.

        Args:
            rows: rows of CHECKED.
            known: what the tables hold of the same photos; None: nothing.
        """
        with PersistScope() as persist:
            commit_chunk(self.tables, persist(rows), known, self.config, self.ledger)


def ingest(
    tables: Tables, config: IngestPhotos, stop_requested: Callable[[], bool] = lambda: False
) -> dict[str, int]:
    """Update PHOTOS and QUARANTINE to the current state of the sources.

    Tasks list the files, and a join with the tables shows which are new or changed. Only those are
    read, in chunks of bounded size. Each chunk is committed before the next is read. So a run that
    is killed loses at most one chunk, and the next run continues there.

    Args:
        tables: of the work folder.
        config: of the job.
        stop_requested: asked before each chunk; if true, the rest is left to the next run.

    Returns:
        Counts by name: photos, quarantined, and, unless 0, changed, removed, unchanged.

    Raises:
        InputError: a source cannot be listed or is empty, two files have the same id, or too many
            files are refused.
    """
    drop_superseded(tables)  # A killed run may have left old revisions.
    scratch = Scratch(f"{tables.work_dir}/checkpoints/{config.name}")
    with scratch, PersistScope() as persist:
        seen = survey(tables, config, scratch, persist)
        run = Run(tables, config, stop_requested, seen, Ledger(tables), scratch, persist)
        _read_files(run)
        removed, archives = _read_archives(run) if _has_archives(run) else (_finish(run), 0)
        if not stop_requested():
            if run.ledger.counts:  # Without new rows, no search through many files.
                pack_small_files(tables, config.file_bytes)
            if config.vacuum_hours and tables.exists("photos"):
                vacuum(tables, "photos", config.vacuum_hours)
    unchanged = seen.count("same") + seen.count("refused") + archives
    return _counts(run.ledger.counts, removed, unchanged)


def _counts(done: Counter[str], removed: int, unchanged: int) -> dict[str, int]:
    some = {"changed": done["changed"], "removed": removed, "unchanged": unchanged}
    return {
        "photos": done["new"] + done["changed"],
        "quarantined": done["refused"] + done["lost"],
        **{name: count for name, count in some.items() if count},
    }


def _read_files(run: Run) -> None:
    limits = Limits.of(run.config)
    for place in run.seen.places:
        source = place.source
        if not run.seen.states[source.name, "read"]:
            continue
        items = run.seen.todo(source.name).withColumn("digest", F.col("photo_id"))
        widen = partial(with_content, run.tables.spark, source)
        of_a_table = [widen] if source.columns.content else []
        for chunk in cut_into_chunks(items, run.config.file_bytes, run.scratch, *of_a_table):
            if run.stop_requested():
                return
            some = chunk.items.where("known_revision IS NOT NULL OR refused_reason IS NOT NULL")
            known = some.select("photo_id", *KNOWN_COLUMNS) if run.seen.known else None
            run.commit_chunk(check_files(chunk.work, place, limits), known)


def _has_archives(run: Run) -> bool:
    return run.seen.count("archive") > 0 or run.tables.exists(TABLE)


def _read_archives(run: Run) -> tuple[int, int]:
    """Read the archives that changed, and finish the run.

    Returns:
        The number of photos that are gone, and of archives that are unchanged.
    """
    both = compare_archives(run.tables, run.seen.archives, run.seen.places, run.config.retry)
    found = KnownArchives(
        run.scratch.save(both.changed, "changed"), run.scratch.save(both.unchanged, "unchanged")
    )
    forget_archives(run.tables, run.seen.places, found.unchanged)
    members = Members(run.seen.files.where("photo_id IS NOT NULL"), run.scratch)
    names = {row[0] for row in found.changed.select("photo_set").distinct().collect()}
    limits = Limits.of(run.config)
    for place in run.seen.places:
        name = place.source.name
        if name not in names or run.stop_requested():
            continue
        archives = found.changed.where(F.col("photo_set") == name)
        # Read again here, because this run has added rows.
        known = run.scratch.save(read_known(run.tables, [name]), "known")
        known = None if known.isEmpty() else known
        reader = MemberReader(place, limits, run.config.file_bytes, run.scratch, run.persist)
        for chunk, may_meet in reader.read(archives, run.seen.files):
            if run.stop_requested():
                break
            members.add(run.persist(chunk), may_meet)
            commit_chunk(run.tables, chunk, known, run.config, run.ledger)
            chunk.unpersist()
        else:
            remember_archives(run.tables, archives)
    return _finish(run, members.seen(), found.unchanged), found.unchanged.count()


def _finish(run: Run, seen: DataFrame | None = None, unchanged: DataFrame | None = None) -> int:
    """Mark the files that are gone and those that are back; returns the number of gone ones.

    Args:
        run: everything that changed has been read, unless the run is stopped.
        seen: photo_id of all files and archive members.
        unchanged: archives that were not opened.
    """
    if run.stop_requested():
        return 0
    same = run.seen.files.where("state = 'same'")
    if run.seen.count("back"):
        back = same.where("known_removed IS NOT NULL").select("photo_id")
        set_removed(run.tables, back, removed=False)
    if run.seen.count("stale"):
        refused = same.where("refused_reason IS NOT NULL").select("photo_id")
        forget_refused_files(run.tables, refused)
    if run.seen.all_found:
        return 0
    ids = run.seen.files if seen is None else seen
    gone = find_removed(run.tables, run.seen.places, ids.select("photo_id"), unchanged)
    gone = run.scratch.save(gone, "gone")
    rows, removed = count_by(gone, "table"), 0
    photos, refused = (gone.where(F.col("table") == name) for name in ("photos", "quarantine"))
    if "photos" in rows:
        removed = set_removed(run.tables, photos.select("photo_id"), removed=True)
    if "quarantine" in rows:
        forget_refused_files(run.tables, refused.select("photo_id"))
    return removed


def listed_without_photo(config: IngestPhotos, tables: Tables) -> int:
    """Return how many photos of the sources' lists of labels are neither in PHOTOS nor refused."""
    missing = 0
    for source in config.sources():
        if source.labels:
            own = F.col("photo_set") == source.name
            found = read_or_empty(tables, "photos").where(own & F.col("removed").isNull()).count()
            refused = refused_files(tables).where(own)
            found += refused.where("reason <> 'no_label'").count()
            missing += len(read_photo_labels(source.labels, source.classes).by_name) - found
    return max(missing, 0)
