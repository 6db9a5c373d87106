"""A softmax network, trained on PIXELS by Horovod's ranks."""

from dataclasses import replace
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from devise_lib import tracking
from devise_lib.config_backbone import TrainBackbone
from devise_lib.errors import InputError
from devise_lib.spark.inference import with_pixels
from devise_lib.spark.labelled import labelled_photos
from devise_lib.spark.ranks import events_folder, require_row_groups, run_ranks
from devise_lib.spark.tables import Tables
from devise_lib.training.softmax import SoftmaxPlan, train_softmax
from devise_lib.vision.backbones import Backbone
from devise_lib.vision.keras_file import bytes_of_model, model_of_bytes
from devise_lib.vision.networks import network_to_train

FILES_PER_RANK = 4  # row groups are dealt to ranks: more of them make the shares more equal


def fit_softmax(spark: SparkSession, config: TrainBackbone, tables: Tables) -> tuple[Backbone, int]:
    """The network trained on the training photos of PHOTOS, and their number.

    Raises:
        InputError: no photo of a seen label, or fewer than two such labels; the weights to start
            from or the layer of features are not there.
    """
    photos = labelled_photos(
        tables.read("photos"), tables.read("labels"), config.test_share, config.seed
    ).where("split = 'train'")
    classes = sorted(row["label"] for row in photos.select("label").distinct().collect())
    if len(classes) < 2:
        raise InputError(
            f"photos of {len(classes)} seen labels to train on, want 2 at least: check that "
            "ingest_photos.label_pattern gives labels of the label sets"
        )
    size = config.input_size
    network = network_to_train(
        config.backbone, config.weights, len(classes), size, config.trainable_layers, config.seed
    )
    start = Backbone(config.backbone, network, classes, size, config.feature_layer)
    rows = write_pixels(spark, photos, classes, config, tables)
    files = tables.read("pixels").inputFiles()
    require_row_groups(files, config.ranks, "pixels", "lower train_backbone.ranks")
    plan = SoftmaxPlan(
        file_urls=files,
        rows=rows,
        network=bytes_of_model(network),
        image_size=size,
        epochs=config.epochs,
        batch_size=config.batch_size,
        readers=config.ranks,
        learning_rate=config.learning_rate,
        seed=config.seed,
        threads=max(1, spark.sparkContext.defaultParallelism // config.ranks),
        events=events_folder(config),
    )
    log_path = Path(config.work_dir) / "logs" / "train_backbone.log"
    trained = run_ranks(spark, train_softmax, plan, config.ranks, log_path)[0]
    if trained is None:
        raise RuntimeError("the first rank gave no network")
    tracking.log_params({"horovod_size": trained.size})
    for epoch, loss in enumerate(trained.losses, start=1):
        tracking.log_metrics({"loss": loss}, step=epoch)
    return replace(start, model=model_of_bytes(trained.keras_file)), rows


def write_pixels(
    spark: SparkSession,
    photos: DataFrame,
    classes: list[str],
    config: TrainBackbone,
    tables: Tables,
) -> int:
    """Decode once what every epoch reads; the rows lie in random order."""
    index = spark.createDataFrame(list(enumerate(classes)), "label_index long, label string")
    indexed = photos.join(F.broadcast(index), "label")
    decoded = with_pixels(indexed, ["label_index", "photo_id"], config.input_size)
    order = F.sha2("photo_id", 256)  # random, and the same however many tasks decoded
    mixed = decoded.repartitionByRange(config.ranks * FILES_PER_RANK, order)
    return tables.overwrite("pixels", mixed.sortWithinPartitions(order), compression="uncompressed")
