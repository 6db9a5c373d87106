"""The index, the signatures, neighbours and tags."""

from typing import Annotated, Literal

from pydantic import Field

from devise_lib.config.types import ModelJobConfig, PositiveInt


class BuildIndex(ModelJobConfig):
    """EMBEDDINGS at a version to an index bundle."""

    name = "build_index"
    needs = ("embed_photos",)
    nlist: Annotated[int, Field(ge=0)] = 0  # inverted lists; 0: chosen from the number of vectors
    train_size: PositiveInt = 100_000  # vectors sampled for the centroids
    recall_target: Annotated[float, Field(gt=0.0, le=1.0)] = 0.95
    k: PositiveInt = 10
    queries: PositiveInt = 500  # held-out queries that recall is measured with
    shard_rows: PositiveInt = 200_000  # vectors that a task adds, about; it holds them in memory


class BuildSignatures(ModelJobConfig):
    """EMBEDDINGS to SIGNATURES by random hyperplanes."""

    name = "build_signatures"
    needs = ("embed_photos",)
    bits: Annotated[int, Field(ge=1, le=62)] = 12  # hyperplanes a table
    tables: PositiveInt = 8


class FindNeighbours(ModelJobConfig):
    """EMBEDDINGS and the index or SIGNATURES to NEIGHBOURS."""

    name = "find_neighbours"
    needs = ("build_index", "build_signatures")
    via: Literal["index", "signatures"] = "index"
    k: PositiveInt = 10
    max_bucket: PositiveInt = 1_000  # with signatures: photos of one bucket that are compared


class PredictLabels(ModelJobConfig):
    """EMBEDDINGS and LABELS to PREDICTIONS."""

    name = "predict_labels"
    needs = ("embed_labels", "embed_photos")
    k: PositiveInt = 5
    candidates: Literal["all", "seen", "unseen"] = "all"
