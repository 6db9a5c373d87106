"""Registers an image encoder that was made elsewhere, so that photos are embedded with it.

in   a Keras file or a SavedModel, a table of texts and their vectors; some of PHOTOS to try it with
out  a version in MLflow's registry, which is the champion of its name
     TEXT_VECTORS   the texts of the model; the rows of this version are replaced in one commit

    python jobs/register_model.py --config conf/local.toml \\
        --set register_model.source=net.keras --set register_model.model_name=net
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.training import RegisterModel

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(RegisterModel)

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from devise_lib import tracking
from devise_lib.console import print_line
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.labels.text_vectors import id_of_texts, open_texts
from devise_lib.spark.photos.contents import some_contents
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.train.registration import ALIKE, mean_cosine, read_encoder, register_encoder

TRIED_PHOTOS = 32


def run(spark: SparkSession, config: RegisterModel) -> dict[str, int]:
    """Register the encoder and its texts; returns the numbers of a vector, and texts."""
    run_id = tracking.current_run_id()
    tables = Tables.of(spark, config, run_id=run_id)
    encoder, sha256 = read_encoder(config)
    texts = open_texts(tables, config.texts, encoder.dimension) if config.texts else None
    words_id = id_of_texts(texts) if texts is not None else ""
    model = register_encoder(config, encoder, sha256, words_id)
    model_id, rows = model.model_id, 0
    if texts is not None:
        made_by = {"model_id": F.lit(model_id), "run_id": F.lit(run_id)}
        mine = Tables.of(spark, config, run_id=run_id, model_id=model_id)
        where = f"model_id = '{model_id}'"
        rows = mine.overwrite("text_vectors", texts.withColumns(made_by), where=where)
    tracking.promote(model)  # Last, because jobs use a champion with its texts.
    tracking.log_params({"model_id": model_id, "scaling_used": encoder.scaling})
    if tables.exists("photos"):
        contents = some_contents(tables.read("photos"), TRIED_PHOTOS)
        if (cosine := mean_cosine(encoder, contents)) is not None:
            tracking.log_metrics({"mean_cosine": cosine})
            doubt = "; is the scaling right?" if cosine > ALIKE else ""
            print_line(f"{config.name}  mean cosine of different photos: {cosine:.2f}{doubt}")
    print_line(
        f"{config.name}  {model_id}: photos of {encoder.image_size} pixels, "
        f"scaled to {encoder.scaling}"
    )
    return {"numbers per vector": encoder.dimension, **({"texts": rows} if rows else {})}


if __name__ == "__main__":
    run_job(run, RegisterModel)
