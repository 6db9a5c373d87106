"""A run of embed_photos from its start to its end: what is done around the stream."""

import hashlib
import json
from functools import partial
from pathlib import Path

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
from devise_lib.spark.photo_commits import drop_superseded
from devise_lib.spark.progress import Progress, forecast, rates
from devise_lib.spark.quarantine import refuse_too_many
from devise_lib.spark.results import EACH, count_results, forget_refused, rows_of
from devise_lib.spark.table_care import FILE_BYTES, is_scattered, vacuum
from devise_lib.spark.tables import Tables
from devise_lib.training.model import with_feature

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
            f"features: give embed_photos.feature = {str(earlier['has']).lower()}, or delete its "
            f"rows (DELETE FROM delta.`{tables.path('embeddings')}` WHERE model_id = "
            f"'{registered.model_id}') and run it again"
        )
    made = {"precision": config.precision, "model_sha256": hashlib.sha256(keras_file).hexdigest()}
    _refuse_other_vectors(checkpoint(tables.work_dir, registered.model_id), made, earlier is None)
    outputs: tuple[str, ...] = ("embedding",)
    if config.feature:
        keras_file, outputs = with_feature(keras_file), ("embedding", "feature")
    return Model(
        tables.spark.sparkContext.broadcast(keras_file),
        config.batch_size,
        outputs,
        config.precision,
        tracking.fetch_dimension(registered),
    )


def _refuse_other_vectors(folder: Path, made: dict[str, str], is_first: bool) -> None:
    """A model's vectors are all of one file and one precision; the first run puts them down."""
    path = folder / "made.json"
    before = json.loads(path.read_text()) if path.exists() and not is_first else made
    for key, value in before.items():
        if value != made[key]:
            raise InputError(
                f"{folder.name} has embedded photos with {key} {value}, and this run has "
                f"{made[key]}: run it as before, register the other as a model of its own, or "
                "delete this one's rows in EMBEDDINGS and QUARANTINE"
            )
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made))


def embed_all(
    tables: Tables, config: EmbedPhotos, model: Model, model_id: str, stopper: Stopper
) -> Throughput:
    """Embed every photo of PHOTOS that the model has neither embedded nor refused.

    With `trigger_s` it then waits for new photos until it is stopped; readers see the model before.

    Raises:
        InputError: too many photos are bad, or the results do not add up.
    """
    with unless_running(tables.work_dir, IngestPhotos.name) as is_free:
        if is_free:  # of an ingest_photos that was killed; one that runs sees to it itself
            drop_superseded(tables)
    if config.retry:
        forget_refused(tables, model_id, config.retry)
    version = tables.version("photos")  # those that come later are the next run's
    photos = tables.read("photos", version).count()
    results = sum(count_results(tables, model_id))
    context = tables.spark.sparkContext
    folder = checkpoint(tables.work_dir, model_id) / "scratch"
    with (
        Scratch(str(folder)) as scratch,
        Progress(context, config.name, config.progress_s, max(photos - results, 0)) as progress,
    ):
        embedder = Embedder(
            tables, config, model, model_id, scratch, progress, stopper, has_results=results > 0
        )
        embedder.embed_stream()
        if not stopper.stopped and sum(count_results(tables, model_id)) != photos:
            embedder.embed_missing(version)
            if not stopper.stopped:
                check_sum(tables, model_id, version)
        done = progress.throughput()  # what comes now is mostly waiting
        if config.trigger_s and not stopper.stopped:
            tried = sum(count_results(tables, model_id))
            check_refused(tables, config, model_id, tried)
            complete(tables, config, model_id)
            progress.total = 0
            say(
                f"{config.name}  all {tried:,} photos have their result; looking for new ones "
                f"every {config.trigger_s:g} s until SIGTERM or Ctrl-C",
                over=True,
            )
            embedder.embed_live(partial(complete, tables, config, model_id))
        return done


def check_sum(tables: Tables, model_id: str, version: int) -> None:
    """Every photo has one result.

    Args:
        tables: with the results.
        model_id: whose.
        version: of PHOTOS when the run began; PHOTOS may have got more since.

    Raises:
        InputError: there are fewer results than photos then, or more than photos now.
    """
    embedded, refused = count_results(tables, model_id)
    photos, now = (  # of a photo that is being ingested anew there are two rows for a moment
        tables.read("photos", each).select("photo_id").distinct().count()
        for each in (version, None)
    )
    if not photos <= embedded + refused <= now:
        raise InputError(
            f"{now} photos, but {model_id} embedded {embedded}, refused {refused}: PHOTOS or the "
            "results were changed by something else than ingest_photos and embed_photos"
        )


def complete(tables: Tables, config: EmbedPhotos, model_id: str) -> None:
    """Let readers see a model whose rows are complete; tidy the tables where it is worth it."""
    is_new = config.make_current and not is_current(tables, model_id)
    if config.optimize and (is_new or is_scattered(tables, "embeddings")):
        tables.pack("embeddings", FILE_BYTES)
    if is_new:
        make_current(tables, model_id)
    if config.make_current:  # also where it was current: a run may have been killed in between
        show_in_view(tables, model_id)
    if config.keep_models:
        drop_old_models(tables, config.keep_models, but=model_id)
    if config.vacuum_hours:
        for name in EACH:
            vacuum(tables, name, config.vacuum_hours)


def tell(tables: Tables, config: EmbedPhotos, model_id: str, done: Throughput) -> dict[str, int]:
    """Log and print what a run did; returns the model's rows.

    Raises:
        InputError: more photos are bad than `max_bad_share`.
    """
    embedded, refused = count_results(tables, model_id)
    reasons = check_refused(tables, config, model_id, embedded + refused)
    metrics = {f"refused_{reason}": float(n) for reason, n in reasons.items()}
    if done.times.photos:
        say(f"{config.name}  {rates(done)}", over=True)
        metrics |= {f"photos_per_s_{stage}": rate for stage, rate in done.rates().items()}
        metrics["photos_per_s"] = done.photos_per_s
    if done.times.photos >= LEAST_MEASURED:
        photos, price = config.predict_photos, config.core_hour_price
        say(f"{config.name}  {forecast(done, photos, price)}")
        metrics["predicted_hours"] = done.hours(photos)
        metrics["predicted_cost"] = done.cost(photos, price)
    tracking.log_metrics(metrics)
    return {"embeddings": embedded, "quarantined": refused}


def check_refused(tables: Tables, config: EmbedPhotos, model_id: str, tried: int) -> dict[str, int]:
    """The photos that the model has refused, by reason.

    Args:
        tables, config: of the run.
        model_id: whose.
        tried: photos that it has embedded or refused.

    Raises:
        InputError: they are more than `max_bad_share`.
    """
    mine = rows_of(tables, "quarantine", model_id)
    return refuse_too_many(mine, tried, config.max_bad_share, config.name)
