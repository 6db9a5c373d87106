"""Folders and tars of image files, and CIFAR, to PHOTOS; what is none goes to QUARANTINE.

in   ingest_photos.source
out  PHOTOS      one row a photo, judged by its header, added to those already there
     QUARANTINE  the others, with a reason

    python jobs/ingest_photos.py --config conf/local.toml --set ingest_photos.source=FOLDER
"""

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from devise_lib import tracking
from devise_lib.config import IngestPhotos
from devise_lib.errors import InputError
from devise_lib.spark.entry import run_job
from devise_lib.spark.photos import (
    earlier_results,
    listed_without_photo,
    new_photos,
    refuse_changed,
    refuse_doubled,
)
from devise_lib.spark.quarantine import refuse_too_many
from devise_lib.spark.tables import Tables


def run(spark: SparkSession, config: IngestPhotos) -> dict[str, int]:
    tables = Tables.of(spark, config, run_id=tracking.current_run_id())
    fresh = new_photos(spark, config, tables).persist()
    refuse_changed(fresh)
    refuse_doubled(fresh)
    bad = fresh.where("reason IS NOT NULL")
    taken, refused_before = earlier_results(tables)
    if not fresh.count() and not taken:
        raise InputError("ingest_photos.source holds no file to take: check its `include`")
    tried = bad.select("reason").union(refused_before)  # one bad photo a night is no bad night
    refuse_too_many(tried, taken + fresh.count(), config.max_bad_share, config.name)
    # The bad ones first: were they left over by a kill, they alone would be too large a share.
    refused = tables.append(
        "quarantine",
        bad.withColumns(
            {
                "stage": F.lit(config.name),
                "model_id": F.lit(None).cast("string"),
                "run_id": F.lit(tracking.current_run_id()),
            }
        ),
    )
    photos = tables.append("photos", fresh.where("reason IS NULL"))
    fresh.unpersist()
    listed = listed_without_photo(config, tables)
    left_out = {"listed without a photo": listed} if listed else {}
    return {"photos": photos, "quarantined": refused, **left_out}


if __name__ == "__main__":
    run_job(run, IngestPhotos)
