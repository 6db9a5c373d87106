"""The registered model of a run of embed_photos, and the settings that its earlier rows have."""

import json
from collections.abc import Mapping

from pyspark.sql import functions as F

from devise_lib import model_store, tracking
from devise_lib.config.photos import EmbedPhotos
from devise_lib.errors import InputError
from devise_lib.spark.embed.results import RESULT_TABLES
from devise_lib.spark.embed.stream import checkpoint
from devise_lib.spark.photos.inference import Model
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.storage.stores import store_files


def broadcast_model(
    tables: Tables,
    config: EmbedPhotos,
    registered: tracking.RegisteredModel,
    network_file: bytes,
    made: Mapping[str, object],
) -> Model:
    """Return the registered model on its way to the workers.

    Args:
        tables: with the tables of results.
        config: of the job.
        registered: the model.
        network_file: its file.
        made: the settings that determine its rows; they may not change while it has any.

    Raises:
        InputError: the model has embedded photos with other settings before, or has no backbone
            whose features could be stored.
    """
    if config.store_backbone_features:
        registered.require_devise()  # no layer of another network is known as its backbone's
    _refuse_other_settings(tables, config, registered.model_id, made)
    outputs: tuple[str, ...] = ("embedding",)
    if config.store_backbone_features:
        from devise_lib.training.model import with_feature  # imports TensorFlow: seconds

        network_file, outputs = with_feature(network_file), ("embedding", "feature")
    return Model(
        tables.spark.sparkContext.broadcast(network_file),
        config.batch_size,
        outputs,
        config.precision,
        model_store.fetch_dimension(registered),
    )


def how_to_start_over(tables: Tables, model_id: str) -> str:
    """Return, for messages, what a user types to embed a model's photos once more."""
    statements = "; ".join(
        f"DELETE FROM delta.`{tables.path(name)}` WHERE model_id = '{model_id}'"
        for name in RESULT_TABLES
    )
    return f"delete its rows and run it again ({statements})"


def _refuse_other_settings(
    tables: Tables, config: EmbedPhotos, model_id: str, made: Mapping[str, object]
) -> None:
    """Raise InputError if the model has rows that were made with other settings.

    Its first run stores the settings in a file. The rows are read only if the file is lost or
    differs.
    """
    folder = checkpoint(tables.work_dir, model_id)
    path = f"{folder}/made.json"
    content = store_files().read(path)
    before = {} if content is None else json.loads(content)
    if before == made:
        return
    rows = tables.of_model("embeddings", model_id).select(F.col("feature").isNotNull().alias("has"))
    earlier = rows.first() if tables.size("embeddings").files else None
    if earlier is not None and earlier["has"] != config.store_backbone_features:
        raise InputError(
            f"{model_id} has embedded photos {'with' if earlier['has'] else 'without'} features: "
            f"set embed_photos.store_backbone_features = {str(earlier['has']).lower()}, or "
            + how_to_start_over(tables, model_id)
        )
    for key, value in before.items():
        if value != made[key] and earlier is not None:
            raise InputError(
                f"{model_id} has embedded photos with {key} {value}, but this run has "
                f"{made[key]}: run it as before, register the other one as another model, or "
                + how_to_start_over(tables, model_id)
            )
    store_files().write(path, json.dumps(made).encode())
