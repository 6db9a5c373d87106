"""A run of embed_photos from its start to its end: what is done around the stream."""

import hashlib
import json
from collections.abc import Mapping
from functools import partial

from pyspark.sql import functions as F

from devise_lib import tracking
from devise_lib.config_photos import EmbedPhotos, IngestPhotos
from devise_lib.console import say
from devise_lib.errors import InputError
from devise_lib.numerics.throughput import Throughput
from devise_lib.spark.current_models import (
    drop_old_models,
    is_current,
    make_current,
    show_in_view,
)
from devise_lib.spark.embedding import Embedder, checkpoint
from devise_lib.spark.exclusive import unless_running
from devise_lib.spark.inference import Model
from devise_lib.spark.kept import Scratch
from devise_lib.spark.live import Stopper
from devise_lib.spark.photo_commits import count_superseded, drop_superseded
from devise_lib.spark.progress import Progress, forecast, rates
from devise_lib.spark.quarantine import check_share
from devise_lib.spark.results import EACH, Counts, count_results, forget_refused, rows_of
from devise_lib.spark.table_care import FILE_BYTES, is_scattered, vacuum
from devise_lib.spark.tables import Tables

LEAST_MEASURED = 1_000  # photos that a forecast is made from: of fewer most is the start


def broadcast_model(
    tables: Tables, config: EmbedPhotos, registered: tracking.RegisteredModel
) -> Model:
    """The registered model on its way to the workers.

    Raises:
        InputError: its file is missing, or the model has embedded photos in another way before.
    """
    keras_file = tracking.fetch_keras(registered)
    rows = rows_of(tables, "embeddings", registered.model_id)
    earlier = rows.select(F.col("feature").isNotNull().alias("has")).first()
    if earlier is not None and earlier["has"] != config.feature:
        raise InputError(
            f"{registered.model_id} has embedded photos {'with' if earlier['has'] else 'without'} "
            f"features: give embed_photos.feature = {str(earlier['has']).lower()}, or "
            + how_to_begin_anew(tables, registered.model_id)
        )
    made = {"precision": config.precision, "model_sha256": hashlib.sha256(keras_file).hexdigest()}
    _refuse_other_vectors(tables, registered.model_id, made, earlier is None)
    outputs: tuple[str, ...] = ("embedding",)
    if config.feature:
        from devise_lib.training.model import with_feature  # imports TensorFlow: seconds

        keras_file, outputs = with_feature(keras_file), ("embedding", "feature")
    return Model(
        tables.spark.sparkContext.broadcast(keras_file),
        config.batch_size,
        outputs,
        config.precision,
        tracking.fetch_dimension(registered),
    )


def how_to_begin_anew(tables: Tables, model_id: str) -> str:
    """For messages: what a user types to have a model's photos embedded once more."""
    statements = "; ".join(
        f"DELETE FROM delta.`{tables.path(name)}` WHERE model_id = '{model_id}'" for name in EACH
    )
    return f"delete its rows and run it again ({statements})"


def _refuse_other_vectors(
    tables: Tables, model_id: str, made: dict[str, str], is_first: bool
) -> None:
    """A model's vectors are all of one file and one precision; the first run puts them down."""
    folder = checkpoint(tables.work_dir, model_id)
    path = folder / "made.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    for key, value in before.items():
        if value != made[key] and not is_first:
            raise InputError(
                f"{model_id} has embedded photos with {key} {value}, and this run has "
                f"{made[key]}: run it as before, register the other as a model of its own, or "
                + how_to_begin_anew(tables, model_id)
            )
    if before != made:
        folder.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")  # a run that dies while it writes leaves the old one
        fresh.write_text(json.dumps(made))
        fresh.replace(path)


def embed_all(
    tables: Tables, config: EmbedPhotos, model: Model, model_id: str, stopper: Stopper
) -> dict[str, int]:
    """Embed every photo of PHOTOS that the model has neither embedded nor refused.

    Then readers see the model. With `trigger_s` it goes on to wait for new photos until it is
    stopped.

    Returns:
        The model's rows.

    Raises:
        InputError: too many photos are bad, the results do not add up, or it was stopped before
            every photo had a result.
    """
    _drop_superseded(tables)
    if config.retry:
        again = forget_refused(tables, model_id, config.retry)
        say(f"{config.name}  {again:,} refused photos are tried again")
    version = tables.version("photos")  # those that come later are the next run's
    photos = tables.read("photos", version).count()
    before = count_results(tables, model_id)
    context = tables.spark.sparkContext
    folder = checkpoint(tables.work_dir, model_id) / "scratch"
    with (
        Scratch(str(folder)) as scratch,
        Progress(
            context, config.name, config.progress_s, max(photos - before.total, 0)
        ) as progress,
    ):
        embedder = Embedder(
            tables, config, model, model_id, scratch, progress, stopper, before=before
        )
        embedder.embed_stream()
        counts = count_results(tables, model_id)
        if counts.total != photos:
            if not stopper.stopped:
                embedder.embed_missing(version)
            if stopper.stopped:
                raise InputError(
                    f"stopped with {counts.total} of {photos} photos done: run it again"
                )
            counts = check_sum(tables, model_id, version)
        check_share(counts.refused, counts.total, config.max_bad_share, config.name)
        tell(config, counts.refused, embedder, progress.throughput())
        complete(tables, config, model_id)
        if config.trigger_s:
            progress.total = 0
            say(
                f"{config.name}  all {photos:,} photos have their result; looking for new ones "
                f"every {config.trigger_s:g} s until SIGTERM or Ctrl-C"
            )
            embedder.embed_live(partial(tidy, tables, config))
            counts = count_results(tables, model_id)
            check_share(counts.refused, counts.total, config.max_bad_share, config.name)
    return {"embeddings": counts.embedded, "quarantined": counts.refused.total()}


def _drop_superseded(tables: Tables) -> None:
    """What an ingest_photos that was killed may have left; one that runs sees to it itself."""
    if count_superseded(tables):
        with unless_running(tables.work_dir, IngestPhotos.name) as is_free:
            if is_free:
                drop_superseded(tables)


def check_sum(tables: Tables, model_id: str, version: int) -> Counts:
    """Every photo has one result; returns how many there are.

    Args:
        tables: with the results.
        model_id: whose.
        version: of PHOTOS when the run began; PHOTOS may have got more since.

    Raises:
        InputError: there are fewer results than photos then that are left, or more than photos now.
    """
    counts = count_results(tables, model_id)
    before, now = (  # of a photo that is being ingested anew there are two rows for a moment
        tables.read("photos", each).select("photo_id").distinct() for each in (version, None)
    )
    least, most = before.join(now, "photo_id", "left_semi").count(), now.count()
    if not least <= counts.total <= most:
        raise InputError(
            f"{most} photos, but {model_id} embedded {counts.embedded}, refused "
            f"{counts.refused.total()}: PHOTOS or the results were changed by something else than "
            "ingest_photos and embed_photos. Where photos were deleted, delete their results "
            f"({_how_to_drop_results(tables, model_id)}); or {how_to_begin_anew(tables, model_id)}"
        )
    return counts


def _how_to_drop_results(tables: Tables, model_id: str) -> str:
    """What a user types to drop the results of photos that PHOTOS has no more."""
    photos, no_more = tables.path("photos"), f"BY SOURCE AND t.model_id = '{model_id}'"
    return "; ".join(
        f"MERGE INTO delta.`{tables.path(name)}` t USING delta.`{photos}` s "
        f"ON t.photo_id = s.photo_id WHEN NOT MATCHED {no_more} THEN DELETE"
        for name in EACH
    )


def complete(tables: Tables, config: EmbedPhotos, model_id: str) -> None:
    """Let readers see a model whose rows are complete, and tidy the tables."""
    is_new = config.make_current and not is_current(tables, model_id)
    tidy(tables, config, sort=is_new)
    if is_new:
        make_current(tables, model_id)
    if config.make_current:  # also where it was current: a run may have been killed in between
        show_in_view(tables, model_id)
    if config.keep_models:
        drop_old_models(tables, config.keep_models, but=model_id)


def tidy(tables: Tables, config: EmbedPhotos, sort: bool = False) -> None:
    """Pack tables of many small files, and delete files that no version needs any more.

    Args:
        tables: with the results.
        config: of the job: whether to do which.
        sort: pack EMBEDDINGS in any case, which sorts its new rows.
    """
    for name in EACH:
        wanted = sort and name == "embeddings"
        if config.optimize and (wanted or is_scattered(tables, name)):
            tables.pack(name, FILE_BYTES)
        if config.vacuum_hours:
            vacuum(tables, name, config.vacuum_hours)


def tell(
    config: EmbedPhotos, reasons: Mapping[str, int], embedder: Embedder, done: Throughput
) -> None:
    """Log and print what a run did.

    Args:
        config: of the run.
        reasons: all that the model has refused, by reason.
        embedder: has counted what is new.
        done: how fast.
    """
    metrics = {f"refused_{reason}": float(n) for reason, n in reasons.items()}
    metrics |= {"new": float(embedder.tried), "new_refused": float(embedder.refused.total())}
    new = f"{embedder.tried:,} new photos, {embedder.refused.total():,} of them refused"
    say(f"{config.name}  {new}", over=True)
    if done.times.photos:
        say(f"{config.name}  {rates(done)}")
        metrics |= {f"photos_per_s_{stage}": rate for stage, rate in done.rates().items()}
        metrics["photos_per_s"] = done.photos_per_s
    if done.times.photos >= LEAST_MEASURED:
        photos, price = config.predict_photos, config.core_hour_price
        say(f"{config.name}  {forecast(done, photos, price)}")
        metrics["predicted_hours"] = done.hours(photos)
        metrics["predicted_cost"] = done.cost(photos, price)
    tracking.log_metrics(metrics)
