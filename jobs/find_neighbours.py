"""Finds the nearest photos of every photo.

in   EMBEDDINGS of the model, and its published index or its SIGNATURES
out  NEIGHBOURS   the rows of this model are replaced in one commit

    python jobs/find_neighbours.py --config conf/local.toml --set find_neighbours.via=signatures
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.search import FindNeighbours

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(FindNeighbours)

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.errors import InputError
from devise_lib.index.bundle import read_current
from devise_lib.spark.embed.current_models import warn_if_incomplete
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.search.indexed_photos import read_ids
from devise_lib.spark.search.neighbours import by_index, by_signatures
from devise_lib.spark.tables.delta_tables import Tables


def run(spark: SparkSession, config: FindNeighbours) -> dict[str, int]:
    """Write NEIGHBOURS; returns rows, photos that have neighbours, and photos that are left out."""
    model_id = tracking.find_registered(config.model_name, config.model).model_id
    tables = Tables.of(spark, config, run_id=tracking.current_run_id(), model_id=model_id)
    warn_if_incomplete(tables, model_id, config.name)
    embeddings = tables.of_model("embeddings", model_id)
    photos = embeddings.count()
    if not photos:
        raise InputError(f"EMBEDDINGS has no photo of model {model_id}: run embed_photos with it")
    newer = 0
    if config.via == "index":
        bundle = read_current(config.work_dir)
        neighbours = by_index(embeddings, bundle, model_id, config.k)
        if bundle.manifest.table_version != tables.version("embeddings"):
            newer = embeddings.join(read_ids(spark, bundle), "photo_id", "left_anti").count()
    else:
        neighbours = by_signatures(tables, model_id, config.k, config.max_bucket)
    rows = tables.overwrite("neighbours", neighbours, where=f"model_id = '{model_id}'")
    with_some = tables.of_model("neighbours", model_id).where("rank = 1").count()
    tracking.log_params({"model_id": model_id})
    left_out = {"photos without a neighbour": photos - with_some, "photos not in the index": newer}
    left_out = {name: count for name, count in left_out.items() if count}
    return {"neighbours": rows, "photos": with_some, **left_out}


if __name__ == "__main__":
    run_job(run, FindNeighbours)
