"""The index, the signatures, neighbours and tags."""

from typing import Annotated, Literal

from pydantic import Field

from devise_lib.config.types import ModelJobConfig, PositiveInt


class BuildIndex(ModelJobConfig):
    """Builds a FAISS index of the EMBEDDINGS of a model, tuned to a recall."""

    name = "build_index"
    needs = ("embed_photos",)
    nlist: Annotated[int, Field(ge=0)] = 0
    """The number of inverted lists. 0 chooses it from the number of vectors."""
    train_size: PositiveInt = 100_000
    """The most vectors of the sample on which the centroids are trained."""
    recall_target: Annotated[float, Field(gt=0.0, le=1.0)] = 0.95
    """The recall@k against exact search that the index is tuned to, by `nprobe`."""
    k: PositiveInt = 10
    """The number of neighbours per query with which recall is measured."""
    queries: PositiveInt = 500
    """The most photos that serve as queries when recall is measured."""
    shard_rows: PositiveInt = 200_000
    """The number of vectors, about, that a task adds to the index. The task holds them in
    memory."""


class BuildSignatures(ModelJobConfig):
    """Hashes EMBEDDINGS by random hyperplanes, and writes SIGNATURES and HASHES."""

    name = "build_signatures"
    needs = ("embed_photos",)
    bits: Annotated[int, Field(ge=1, le=62)] = 12
    """The number of hyperplanes per hash table. More of them make smaller buckets."""
    tables: PositiveInt = 8
    """The number of hash tables. More of them find more neighbours, and cost more."""


class FindNeighbours(ModelJobConfig):
    """Finds the nearest photos of every photo, and writes NEIGHBOURS."""

    name = "find_neighbours"
    needs = ("build_index", "build_signatures")
    via: Literal["index", "signatures"] = "index"
    """How neighbours are found: by the index, or among photos that share a bucket in SIGNATURES."""
    k: PositiveInt = 10
    """The number of neighbours per photo."""
    max_bucket: PositiveInt = 1_000
    """The most photos of one bucket with which a photo is compared, via "signatures"."""


class PredictLabels(ModelJobConfig):
    """Tags every photo with the labels nearest to its embedding, and writes PREDICTIONS."""

    name = "predict_labels"
    needs = ("embed_labels", "embed_photos")
    k: PositiveInt = 5
    """The number of labels per photo."""
    candidates: Literal["all", "seen", "unseen"] = "all"
    """The labels to choose from."""
