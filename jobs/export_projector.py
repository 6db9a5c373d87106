"""Writes some photos and all labels as files of TensorBoard's embedding projector.

in   EMBEDDINGS of the model, PHOTOS, LABELS
out  {work_dir}/export/<model_id>/projector/   vectors, metadata, thumbnails, their configuration

    python jobs/export_projector.py --config conf/local.toml --set export_projector.photos=5000
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.reporting import ExportProjector

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(ExportProjector)

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.errors import InputError
from devise_lib.report.projector import CONFIG, write_projector
from devise_lib.spark.embed.current_models import warn_if_incomplete
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.job.locks import only_export
from devise_lib.spark.labels.word_space import require_same_words
from devise_lib.spark.report.projector_points import label_points, sample_photos
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.storage.folders import draft_of, replace_folder


def run(spark: SparkSession, config: ExportProjector) -> dict[str, int]:
    """Write the files of the projector; returns photos and labels."""
    model = tracking.find_registered(config.model_name, config.model)
    model.require_devise()
    with only_export(config.work_dir, model.model_id):
        return _export(spark, config, model)


def _export(
    spark: SparkSession, config: ExportProjector, model: tracking.RegisteredModel
) -> dict[str, int]:
    tables = Tables.of(spark, config)
    labels = tables.read("labels")
    require_same_words(labels, model.words_id, model.model_id)
    embeddings = tables.of_model("embeddings", model.model_id)
    if embeddings.isEmpty():
        raise InputError(f"EMBEDDINGS has no photo of {model.model_id}: run embed_photos with it")
    warn_if_incomplete(tables, model.model_id, config.name)
    photos = sample_photos(embeddings, labels, tables.read("photos"), config.photos)
    named = label_points(labels)
    folder = f"{config.work_dir}/export/{model.model_id}/projector"
    with draft_of(folder) as draft:
        write_projector(draft, [photos, named])
        replace_folder(draft, folder, last=CONFIG)
    tracking.log_params({"model_id": model.model_id, "folder": folder})
    return {"photos": len(photos.rows), "labels": len(named.rows)}


if __name__ == "__main__":
    run_job(run, ExportProjector)
