"""PIXELS: photos decoded once for what every epoch of a training on photos reads."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.spark.photos.inference import with_pixels
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.descriptions import DESCRIPTIONS

FILES_PER_RANK = 4  # row groups are dealt to ranks: more of them make the shares more equal
PHOTOS_A_TASK = 2_000  # at 224 pixels 300 MB, which a task sorts in memory


def write_pixels(photos: DataFrame, count: int, image_size: int, ranks: int, tables: Tables) -> int:
    """Decode photos into PIXELS, in random order; returns the number of those that are there.

    Args:
        photos: photo_id, label, fold, kept, content.
        count: how many they are.
        image_size: side of a photo, pixels.
        ranks: that will read them.
        tables: where PIXELS is replaced.
    """
    tasks = max(ranks * FILES_PER_RANK, -(-count // PHOTOS_A_TASK))
    decoded = with_pixels(photos, ["label", "fold", "is_validation_photo", "photo_id"], image_size)
    order = F.sha2("photo_id", 256)  # random, and the same however many tasks decoded
    # By hash: Spark finds ranges from a sample, for which it would decode all photos once more.
    mixed = decoded.repartition(tasks, "photo_id").sortWithinPartitions(order)
    folders = DESCRIPTIONS["pixels"].partitioned_by
    return tables.overwrite("pixels", mixed, partition_by=folders, compression="uncompressed")
