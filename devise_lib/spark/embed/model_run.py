"""What a run of embed_photos works with, from its start to its end."""

from dataclasses import dataclass

from devise_lib.config.photos import EmbedPhotos
from devise_lib.spark.job.graceful_stop import StopSignal
from devise_lib.spark.photos.inference import Model
from devise_lib.spark.tables.delta_tables import Tables


@dataclass(frozen=True)
class ModelRun:
    """A run of embed_photos with a model.

    Attributes:
        tables: with PHOTOS and the tables of results; their provenance names the run.
        config: of the job.
        model: on its way to the workers.
        model_id: for the rows.
        stop_signal: ends a stream; checked every STOP_CHECK_S.
    """

    tables: Tables
    config: EmbedPhotos
    model: Model
    model_id: str
    stop_signal: StopSignal
