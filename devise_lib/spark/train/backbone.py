"""Trains a softmax network on PIXELS, on Horovod's ranks: DeViSE's first phase."""

from dataclasses import replace

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.config.backbone import TrainBackbone
from devise_lib.errors import InputError
from devise_lib.spark.labels.splits import labelled_photos, with_fold
from devise_lib.spark.photos.pixel_table import write_pixels
from devise_lib.spark.tables.delta_tables import Tables, count_by
from devise_lib.spark.train.horovod_ranks import (
    RanksLogs,
    events_folder,
    require_row_groups,
    run_ranks,
    threads_per_rank,
)
from devise_lib.training.softmax import SoftmaxPlan, train_softmax
from devise_lib.vision.networks.backbones import Backbone
from devise_lib.vision.networks.build import network_to_train
from devise_lib.vision.networks.keras_file import bytes_of_model, model_of_bytes


def fit_softmax(
    spark: SparkSession, config: TrainBackbone, tables: Tables, checkpoints: str
) -> tuple[Backbone, int]:
    """Train the network on the training photos of PHOTOS.

    Args:
        spark: the session that the ranks run in.
        config: of the job.
        tables: with PHOTOS and LABELS; PIXELS is written.
        checkpoints: the folder of the state from which a killed training continues.

    Returns:
        The network, and the number of its training photos.

    Raises:
        InputError: there are photos of fewer than two seen labels, or the initial weights or the
            layer of the features are missing.
    """
    photos = labelled_photos(
        tables.read("photos"), tables.read("labels"), config.test_share, config.seed
    ).where("split = 'train'")
    counts = count_by(photos, "label")
    classes = sorted(counts)
    if len(classes) < 2:
        raise InputError(
            f"photos of {len(classes)} seen labels to train on, want at least 2: check that "
            "ingest_photos.label_pattern gives labels of the label sets"
        )
    size = config.input_size
    network = network_to_train(
        config.backbone, config.weights, len(classes), size, config.trainable_layers, config.seed
    )
    start = Backbone(config.backbone, network, classes, size, config.feature_layer)
    rows = write_pixels(with_fold(photos, 0, 0), sum(counts.values()), size, config.ranks, tables)
    files = tables.read("pixels").inputFiles()
    require_row_groups(files, config.ranks, "pixels", "lower train_backbone.ranks")
    plan = SoftmaxPlan(
        file_urls=files,
        rows=rows,
        classes=classes,
        network=bytes_of_model(network),
        image_size=size,
        epochs=config.epochs,
        batch_size=config.batch_size,
        readers=config.ranks,
        learning_rate=config.learning_rate,
        seed=config.seed,
        threads=threads_per_rank(spark, config.ranks),
        folder=checkpoints,
        checkpoint_steps=config.checkpoint_steps,
        events=events_folder(config),
    )
    where = config.ranks, RanksLogs.of(config), config.hosts
    trained = run_ranks(spark, train_softmax, plan, *where)[0]
    if trained is None:
        raise RuntimeError("the first rank gave no network")
    tracking.log_params({"horovod_size": trained.size})
    tracking.log_curve("loss", trained.losses, first=1)
    return replace(start, model=model_of_bytes(trained.keras_file)), rows
