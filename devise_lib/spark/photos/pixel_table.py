"""PIXELS: photos that are decoded once, because every epoch of a training on photos reads them."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.spark.photos.inference import with_pixels
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.descriptions import DESCRIPTIONS

FILES_PER_RANK = 4  # Ranks share row groups: the more there are, the more equal the shares.
PHOTOS_PER_TASK = 2_000  # 300 MB at 224 pixels, which a task sorts in memory


def write_pixels(photos: DataFrame, count: int, image_size: int, ranks: int, tables: Tables) -> int:
    """Decode photos into PIXELS, in random order, and return the number of rows.

    Args:
        photos: photo_id, label, fold, is_validation_photo, and the columns FILE.
        count: number of photos.
        image_size: side of a photo, in pixels.
        ranks: number of ranks that will read them.
        tables: where PIXELS is replaced.
    """
    tasks = max(ranks * FILES_PER_RANK, -(-count // PHOTOS_PER_TASK))
    decoded = with_pixels(photos, ["label", "fold", "is_validation_photo", "photo_id"], image_size)
    order = F.sha2("photo_id", 256)  # random, but independent of the number of tasks
    # By hash, because Spark finds ranges by a sample, and would decode all photos twice for it.
    mixed = decoded.repartition(tasks, "photo_id").sortWithinPartitions(order)
    folders = DESCRIPTIONS["pixels"].partitioned_by
    return tables.overwrite("pixels", mixed, partition_by=folders, compression="uncompressed")
