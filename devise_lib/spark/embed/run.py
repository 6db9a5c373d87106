"""A run of embed_photos from start to end: everything around the stream."""

import hashlib
from collections.abc import Mapping
from functools import partial

from devise_lib import model_store, tracking
from devise_lib.config.photos import EmbedPhotos, IngestPhotos
from devise_lib.console import print_line
from devise_lib.errors import InputError
from devise_lib.numerics.throughput import Throughput
from devise_lib.spark.embed.current_models import (
    drop_old_models,
    is_current,
    make_current,
    show_in_view,
)
from devise_lib.spark.embed.finished import Finished, counts_of_finished, remember
from devise_lib.spark.embed.model import broadcast_model, how_to_start_over
from devise_lib.spark.embed.model_run import ModelRun
from devise_lib.spark.embed.progress import Progress, forecast, rates
from devise_lib.spark.embed.results import RESULT_TABLES, Counts, count_results, forget_refused
from devise_lib.spark.embed.stream import Embedder, checkpoint
from devise_lib.spark.job.graceful_stop import StopSignal
from devise_lib.spark.job.locks import unless_running
from devise_lib.spark.photos.bad_share import check_share
from devise_lib.spark.photos.superseded import count_superseded, drop_superseded
from devise_lib.spark.tables.caching import Scratch
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.maintenance import FILE_BYTES, is_scattered, vacuum

LEAST_MEASURED = 1_000  # photos that a forecast needs; with fewer the start takes most of the time


def embed(
    tables: Tables,
    config: EmbedPhotos,
    registered: tracking.RegisteredModel,
    stop_signal: StopSignal,
) -> dict[str, int]:
    """Give every photo of PHOTOS its result of the model: an embedding or a refusal.

    If the last run with the same settings has done so, and no row has changed since, no photo is
    read.

    Args:
        tables: with PHOTOS and the tables of results; their provenance names the run.
        config: of the job.
        registered: the model.
        stop_signal: ends a run that waits for new photos.

    Returns:
        The model's rows: embeddings, quarantined.

    Raises:
        InputError: the model has rows that were made with other settings, too many photos are
            refused, or the results do not add up.
    """
    network_file = model_store.fetch_network(registered)
    digest = hashlib.sha256(network_file).hexdigest()
    made = {
        "precision": config.precision,
        "model_sha256": digest,
        "store_backbone_features": config.store_backbone_features,
    }
    settings = {**made, "make_current": config.make_current, "catalog": config.catalog}
    folder = checkpoint(tables.work_dir, registered.model_id)
    counts = counts_of_finished(tables, folder, settings)
    if counts is None or config.retry or config.poll_interval_s:
        model = broadcast_model(tables, config, registered, network_file, made)
        run = ModelRun(tables, config, model, registered.model_id, stop_signal)
        return embed_all(run, settings)
    check_share(counts.refused, counts.total, config.max_bad_share, config.name)
    print_line(f"{config.name}  nothing new: {counts.total:,} photos had their result before")
    tracking.log_metrics({"new": 0.0, "new_refused": 0.0, **refused_metrics(counts.refused)})
    tidy(tables, config)
    show_and_drop(tables, config, registered.model_id)
    return counts.rows()


def embed_all(run: ModelRun, settings: Mapping[str, object]) -> dict[str, int]:
    """Embed every photo of PHOTOS that the model has neither embedded nor refused.

    Then readers see the model, and the run records that it has finished. With `poll_interval_s` it
    goes on to wait for new photos until it is stopped.

    Args:
        run: the model, and the tables.
        settings: a later run uses the counts of this one only if its settings are the same.

    Returns:
        The model's rows: embeddings, quarantined.

    Raises:
        InputError: too many photos are refused, the results do not add up, or the run was stopped
            before every photo had a result.
    """
    tables, config, model_id = run.tables, run.config, run.model_id
    _drop_superseded(tables)
    if config.retry:
        again = forget_refused(tables, model_id, config.retry)
        print_line(f"{config.name}  {again:,} refused photos are tried again")
    rows = tables.last_changes("photos")  # Taken first, so that the next run sees later changes.
    version = tables.version("photos")
    photos = tables.read("photos", version).count()
    before = count_results(tables, model_id)
    context = tables.spark.sparkContext
    folder = checkpoint(tables.work_dir, model_id)
    with (
        Scratch(f"{folder}/scratch") as scratch,
        Progress(
            context, config.name, config.progress_s, max(photos - before.total, 0)
        ) as progress,
    ):
        embedder = Embedder(run, scratch, progress, before)
        embedder.embed_stream()
        rows |= tables.last_changes(*RESULT_TABLES)
        counts = count_results(tables, model_id)
        if counts.total != photos:
            if not run.stop_signal.requested:
                embedder.embed_missing(version)
                rows |= tables.last_changes(*RESULT_TABLES)
            if run.stop_signal.requested:
                raise InputError(
                    f"stopped with {counts.total} of {photos} photos done: run it again"
                )
            counts = check_completeness(tables, model_id, version)
        check_share(counts.refused, counts.total, config.max_bad_share, config.name)
        report_run(config, counts.refused, embedder, progress.throughput())
        complete(tables, config, model_id)
        rows |= tables.last_changes("current_models")
        # Another model may be current by now, or PHOTOS may have revisions that must be dropped.
        is_whole = counts.total == photos
        if is_whole and (not config.make_current or is_current(tables, model_id)):
            remember(folder, Finished(settings, rows, counts.embedded, dict(counts.refused)))
        if config.poll_interval_s:
            progress.total = 0
            counts = _embed_live(run, embedder, photos)
    return counts.rows()


def _embed_live(run: ModelRun, embedder: Embedder, photos: int) -> Counts:
    """Embed new photos until the stop signal, after `photos` have their result; return counts."""
    config = run.config
    print_line(
        f"{config.name}  all {photos:,} photos have their result; looking for new ones every "
        f"{config.poll_interval_s:g} s until SIGTERM or Ctrl-C"
    )
    embedder.embed_live(partial(tidy, run.tables, config))
    counts = count_results(run.tables, run.model_id)
    check_share(counts.refused, counts.total, config.max_bad_share, config.name)
    return counts


def _drop_superseded(tables: Tables) -> None:
    """Delete old revisions that a killed ingest_photos has left; a running one does that itself."""
    if count_superseded(tables):
        with unless_running(tables.work_dir, IngestPhotos.name) as is_free:
            if is_free:
                drop_superseded(tables)


def check_completeness(tables: Tables, model_id: str, version: int) -> Counts:
    """Check that every photo has exactly one result, and return the counts.

    Args:
        tables: with the results.
        model_id: of the model.
        version: of PHOTOS when the run began; PHOTOS may have more photos by now.

    Raises:
        InputError: there are fewer results than photos of that version that still exist, or more
            than photos now.
    """
    counts = count_results(tables, model_id)
    before, now = (  # A photo that is ingested again has two rows for a moment.
        tables.read("photos", each).select("photo_id").distinct() for each in (version, None)
    )
    least, most = before.join(now, "photo_id", "left_semi").count(), now.count()
    if not least <= counts.total <= most:
        raise InputError(
            f"{most} photos, but {model_id} embedded {counts.embedded}, refused "
            f"{counts.refused.total()}: something other than ingest_photos and embed_photos has "
            "changed PHOTOS or the results. If photos were deleted, delete their results "
            f"({_how_to_drop_results(tables, model_id)}); or {how_to_start_over(tables, model_id)}"
        )
    return counts


def _how_to_drop_results(tables: Tables, model_id: str) -> str:
    """Return the statements that drop the results of photos that PHOTOS no longer has."""
    photos, no_more = tables.path("photos"), f"BY SOURCE AND t.model_id = '{model_id}'"
    return "; ".join(
        f"MERGE INTO delta.`{tables.path(name)}` t USING delta.`{photos}` s "
        f"ON t.photo_id = s.photo_id WHEN NOT MATCHED {no_more} THEN DELETE"
        for name in RESULT_TABLES
    )


def complete(tables: Tables, config: EmbedPhotos, model_id: str) -> None:
    """Show readers a model whose rows are complete, and tidy the tables.

    Args:
        tables: with the results.
        config: of the job.
        model_id: of the model.
    """
    is_new = config.make_current and not is_current(tables, model_id)
    tidy(tables, config, sort=is_new)
    if is_new:
        make_current(tables, model_id)
    show_and_drop(tables, config, model_id)


def show_and_drop(tables: Tables, config: EmbedPhotos, model_id: str) -> None:
    """Let the catalog's view show the model, and drop old models; repeating it costs little.

    It is repeated because an earlier run may have been killed before, or another run may have held
    a model that was to be dropped.

    Args:
        tables: with the results.
        config: of the job: whether to do which.
        model_id: of the model.
    """
    if config.make_current:
        show_in_view(tables, model_id)
    if config.keep_models:
        drop_old_models(tables, config.keep_models, but=model_id)


def tidy(tables: Tables, config: EmbedPhotos, sort: bool = False) -> None:
    """Pack tables of many small files, and delete files that no version needs any more.

    Args:
        tables: with the results.
        config: of the job: whether to do which.
        sort: pack EMBEDDINGS in any case, which sorts its new rows; one file needs no sorting.
    """
    for name in RESULT_TABLES:
        wanted = sort and name == "embeddings" and tables.size(name).files > 1
        if config.optimize and (wanted or is_scattered(tables, name)):
            tables.pack(name, FILE_BYTES)
        if config.vacuum_hours:
            vacuum(tables, name, config.vacuum_hours)


def refused_metrics(reasons: Mapping[str, int]) -> dict[str, float]:
    """Return the refused photos by reason, as metrics for MLflow."""
    return {f"refused_{reason}": float(n) for reason, n in reasons.items()}


def report_run(
    config: EmbedPhotos, reasons: Mapping[str, int], embedder: Embedder, done: Throughput
) -> None:
    """Log and print what a run has done.

    Args:
        config: of the run.
        reasons: number of photos that the model has refused in all runs, by reason.
        embedder: has counted what is new.
        done: the run's times and rates.
    """
    metrics = refused_metrics(reasons)
    metrics |= {"new": float(embedder.tried), "new_refused": float(embedder.refused.total())}
    new = f"{embedder.tried:,} new photos, {embedder.refused.total():,} of them refused"
    print_line(f"{config.name}  {new}", over=True)
    if done.times.photos:
        print_line(f"{config.name}  {rates(done)}")
        metrics |= {f"photos_per_s_{stage}": rate for stage, rate in done.rates().items()}
        metrics["photos_per_s"] = done.photos_per_s
    if done.times.photos >= LEAST_MEASURED:
        photos, price = config.predict_photos, config.core_hour_price
        print_line(f"{config.name}  {forecast(done, photos, price)}")
        metrics["predicted_hours"] = done.hours(photos)
        metrics["predicted_cost"] = done.cost(photos, price)
    tracking.log_metrics(metrics)
