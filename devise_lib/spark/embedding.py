"""PHOTOS to EMBEDDINGS and QUARANTINE, each photo once for a model.

The engine's own stream over the Delta table of photos remembers what was read; each micro-batch
is written with the stream's id and its number, which Delta takes once. A lost checkpoint gives
the stream a new id and starts it from the first photo, so a batch also leaves out the photos
that are in either table already.
"""

from pyspark import Broadcast
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from devise_lib.config import EmbedPhotos
from devise_lib.spark.inference import with_vectors
from devise_lib.spark.tables import Tables

KEEP = ("photo_id", "photo_set", "path", "label")
STAGE = "embed_photos"


def embed_stream(
    spark: SparkSession, config: EmbedPhotos, model_id: str, network: Broadcast[bytes], run_id: str
) -> None:
    """Embed every photo of PHOTOS that the model has not seen; returns when there is none left."""
    tables = Tables.of(spark, config, model_id=model_id, run_id=run_id)
    for name in ("embeddings", "quarantine"):
        tables.create_if_missing(name)

    def write_batch(batch: DataFrame, number: int) -> None:
        stream_id = batch.sparkSession.sparkContext.getLocalProperty("sql.streaming.queryId")
        once: dict[str, str | int] = {"txnAppId": f"{STAGE}:{stream_id}", "txnVersion": number}
        results = embed_new(tables, batch, network, config.batch_size, model_id, run_id).persist()
        good = results.where("vector IS NOT NULL").withColumnRenamed("vector", "embedding")
        tables.append("embeddings", good, **once)
        tables.append("quarantine", results.where("vector IS NULL"), **once)
        results.unpersist()

    stream = (
        spark.readStream.format("delta")
        .option("maxFilesPerTrigger", config.files_per_batch)
        .load(tables.path("photos"))
    )
    query = (
        stream.writeStream.foreachBatch(write_batch)
        .option("checkpointLocation", f"{tables.work_dir}/checkpoints/{STAGE}/{model_id}")
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()


def embed_new(
    tables: Tables,
    photos: DataFrame,
    network: Broadcast[bytes],
    batch_size: int,
    model_id: str,
    run_id: str,
) -> DataFrame:
    """The photos that neither table has for this model, with a vector or a reason.

    Only ids are compared; the photos' bytes stay in the tasks that read them. What is broadcast
    is at most the ids of one micro-batch.
    """
    mine = F.col("model_id") == model_id
    ids = [tables.read(n).where(mine).select("photo_id") for n in ("embeddings", "quarantine")]
    done = ids[0].union(ids[1]).join(photos.select("photo_id"), "photo_id", "left_semi")
    fresh = photos.join(F.broadcast(done), "photo_id", "left_anti")
    return with_vectors(fresh, network, KEEP, batch_size).withColumns(
        {"model_id": F.lit(model_id), "run_id": F.lit(run_id), "stage": F.lit(STAGE)}
    )


def count_results(tables: Tables, model_id: str) -> tuple[int, int]:
    """Photos that the model has embedded, and photos that it has refused."""
    mine = F.col("model_id") == model_id
    return tables.read("embeddings").where(mine).count(), tables.read("quarantine").where(
        mine
    ).count()
