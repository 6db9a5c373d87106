"""A sample of embeddings that a seed chooses, on the driver."""

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.index.building.intake import Intake, take_in


def sample_embeddings(
    embeddings: DataFrame, n: int, seed: int, dimension: int
) -> tuple[pa.StringArray, Intake]:
    """Return the ids of n photos, or of all if there are fewer, and their embeddings.

    Args:
        embeddings: photo_id, embedding.
        n: the number of photos, whose embeddings the driver holds.
        seed: the same photos are chosen for the same seed.
        dimension: of the embeddings.
    """
    by_seed = F.xxhash64("photo_id", F.lit(seed))
    chosen = embeddings.orderBy(by_seed, "photo_id").limit(n).select("photo_id", "embedding")
    table = chosen.toArrow().combine_chunks()
    ids, vectors = table["photo_id"].combine_chunks(), table["embedding"].combine_chunks()
    return ids, take_in(ids, vectors, dimension)
