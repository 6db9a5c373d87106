"""Exports the model in the forms that other programs load, and checks each against the model.

in   the model, some of PHOTOS to check with
out  {work_dir}/export/<model_id>/   model.keras, saved_model/1/, model.tflite, manifest.json

    python jobs/export_model.py --config conf/local.toml --set export_model.model=3
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.reporting import ExportModel

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(ExportModel)

import json

from pyspark.sql import SparkSession

from devise_lib import model_store, tracking
from devise_lib.errors import InputError
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.job.locks import only_export
from devise_lib.spark.photos.contents import some_contents
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.storage.folders import draft_of, replace_folder
from devise_lib.training.export import check, describe, export
from devise_lib.vision.networks.keras_file import model_of_bytes


def run(spark: SparkSession, config: ExportModel) -> dict[str, int]:
    """Export the registered model; returns files, and photos that it was checked with."""
    registered = tracking.find_registered(config.model_name, config.model)
    with only_export(config.work_dir, registered.model_id):
        return _export(spark, config, registered)


def _export(
    spark: SparkSession, config: ExportModel, registered: tracking.RegisteredModel
) -> dict[str, int]:
    model = model_of_bytes(model_store.fetch_keras(registered))
    contents = some_contents(Tables.of(spark, config).read("photos"), config.photos)
    if not contents:
        raise InputError("PHOTOS has no photo to check the export with: run ingest_photos")
    folder = f"{config.work_dir}/export/{registered.model_id}"
    with draft_of(folder) as draft:
        export(model, draft)
        checks = check(model, draft, contents)
        if failed := [each for each in checks if not each.passed]:
            raise RuntimeError(f"an exported form gives other embeddings than the model: {failed}")
        about = describe(draft, registered.model_id, model, checks)
        (draft / "manifest.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        others = ["projector", "projector.old"]  # of export_projector
        replace_folder(draft, folder, keep=others, last="manifest.json")
    tracking.log_params({"model_id": registered.model_id, "folder": folder})
    for each in checks:
        name = each.form.replace(", ", "_").replace(".", "_")
        tracking.log_metrics({f"least_cosine_{name}": each.least_cosine})
    return {"files": len(about["files"]), "photos checked": checks[0].photos}


if __name__ == "__main__":
    run_job(run, ExportModel)
