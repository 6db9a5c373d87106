"""The registered model of a run of embed_photos, and what has been embedded with it before."""

import json
from collections.abc import Mapping

from pyspark.sql import functions as F

from devise_lib import model_store, tracking
from devise_lib.config.photos import EmbedPhotos
from devise_lib.errors import InputError
from devise_lib.paths import write_text_atomically
from devise_lib.spark.embed.results import RESULT_TABLES
from devise_lib.spark.embed.stream import checkpoint
from devise_lib.spark.photos.inference import Model
from devise_lib.spark.tables.delta_tables import Tables


def broadcast_model(
    tables: Tables,
    config: EmbedPhotos,
    registered: tracking.RegisteredModel,
    keras_file: bytes,
    made: Mapping[str, object],
) -> Model:
    """The registered model on its way to the workers.

    Args:
        tables: with the tables of results.
        config: of the job.
        registered: the model.
        keras_file: its file.
        made: how it makes rows, which may not change while it has any.

    Raises:
        InputError: the model has embedded photos in another way before.
    """
    _refuse_another_way(tables, config, registered.model_id, made)
    outputs: tuple[str, ...] = ("embedding",)
    if config.store_backbone_features:
        from devise_lib.training.model import with_feature  # imports TensorFlow: seconds

        keras_file, outputs = with_feature(keras_file), ("embedding", "feature")
    return Model(
        tables.spark.sparkContext.broadcast(keras_file),
        config.batch_size,
        outputs,
        config.precision,
        model_store.fetch_dimension(registered),
    )


def how_to_begin_anew(tables: Tables, model_id: str) -> str:
    """For messages: what a user types to have a model's photos embedded once more."""
    statements = "; ".join(
        f"DELETE FROM delta.`{tables.path(name)}` WHERE model_id = '{model_id}'"
        for name in RESULT_TABLES
    )
    return f"delete its rows and run it again ({statements})"


def _refuse_another_way(
    tables: Tables, config: EmbedPhotos, model_id: str, made: Mapping[str, object]
) -> None:
    """A model's rows are all made in one way, which its first run puts down in a file.

    The rows are asked only where the file is lost, or says another way.
    """
    folder = checkpoint(tables.work_dir, model_id)
    path = folder / "made.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    if before == made:
        return
    rows = tables.of_model("embeddings", model_id).select(F.col("feature").isNotNull().alias("has"))
    earlier = rows.first() if tables.size("embeddings").files else None
    if earlier is not None and earlier["has"] != config.store_backbone_features:
        raise InputError(
            f"{model_id} has embedded photos {'with' if earlier['has'] else 'without'} features: "
            f"give embed_photos.store_backbone_features = {str(earlier['has']).lower()}, or "
            + how_to_begin_anew(tables, model_id)
        )
    for key, value in before.items():
        if value != made[key] and earlier is not None:
            raise InputError(
                f"{model_id} has embedded photos with {key} {value}, and this run has "
                f"{made[key]}: run it as before, register the other as a model of its own, or "
                + how_to_begin_anew(tables, model_id)
            )
    folder.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, json.dumps(made))
