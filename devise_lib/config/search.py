"""The index, the signatures, neighbours and tags."""

from typing import Annotated, Literal

from pydantic import Field

from devise_lib.config.types import ModelJobConfig, PositiveInt, Share


class BuildIndex(ModelJobConfig):
    """Builds a FAISS index of the EMBEDDINGS of a model, tuned to a recall."""

    name = "build_index"
    needs = ("embed_photos",)
    mode: Literal["rebuild", "update", "compact"] = "rebuild"
    """What is done: "rebuild" trains and builds an index. "update" adds new photos to the published
    one and takes out removed ones, without training; it builds one if there is none. "compact"
    folds what was added and removed into one segment."""
    index_key: str = "auto"
    """The index in FAISS's factory, such as "IVF4096,SQ8" or
    "OPQ32_128,IVF65536_HNSW32,PQ32x4fsr,RFlat". It must be an inverted file. "auto" chooses it from
    the number and length of the vectors, the budget and the recall."""
    bytes_per_vector: Annotated[float, Field(ge=0)] = 0.0
    """For "auto": the most bytes that a vector may take, its id of 8 bytes included. 0 is no
    limit."""
    max_index_gib: Annotated[float, Field(ge=0)] = 0.0
    """For "auto": the most GiB that all vectors may take. 0 is no limit."""
    recall_target: Annotated[float, Field(ge=0.0, le=1.0)] = 0.95
    """The recall@k against exact search that is promised: the lower end of its 95 % confidence
    interval reaches it. 0 promises none, and takes the most that `max_latency_ms` allows."""
    max_latency_ms: Annotated[float, Field(ge=0)] = 0.0
    """The longest time of one query on one thread, in milliseconds. 0 is no limit."""
    k: PositiveInt = 10
    """The number of neighbours per query with which recall is measured."""
    queries: PositiveInt = 1_000
    """The most photos that serve as queries when recall is measured. Half of them choose the search
    settings, and half measure these."""
    points_per_list: Annotated[int, Field(ge=1, le=256)] = 64
    """The vectors of the sample for each inverted list, on which the centroids are trained. Below
    39, FAISS warns of badly placed centroids."""
    max_bad_share: Share = 0.2
    """The share of embeddings that may be rejected: of another length, zero, not finite, or a
    second one of a photo. Above it the job fails, and no index is published."""
    max_memory_gib: Annotated[float, Field(gt=0)] = 4.0
    """The most memory that a process of a task takes. It decides the rows of a shard and the size
    of what is merged at once."""
    table_version: Annotated[int, Field(ge=0)] | None = None
    """The version of EMBEDDINGS to index. Not given: the newest, or that of a build which was
    killed and goes on."""
    devices: Literal["auto", "cpu", "gpu"] = "auto"
    """Where centroids are trained and searched. "auto" takes GPUs where FAISS sees some."""
    carry_words: Annotated[int, Field(ge=0)] = 50_000
    """The words whose vectors the bundle carries, the commonest first, beside those of all labels:
    a search team then searches by words without this package. 0 carries none, and no labels."""
    keep_bundles: PositiveInt = 2
    """This many bundles stay, the published one included. Older ones are removed."""


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
    queries: str = ""
    """A table of queries, via "index": a path or URI of a Delta table or Parquet files, with the
    columns `query_id` and `embedding` (of the index's model, of any norm). "" searches for the
    neighbours of all photos."""
    among: str = ""
    """A condition in SQL on the columns of PHOTOS, via "index": only photos that fulfil it are
    neighbours, as with "owner = 'ann' AND label = 'wolf'". "" is all."""
    task_rows: PositiveInt = 200_000
    """Queries of a task, about. A run that was killed goes on with the tasks that are not done."""
    devices: Literal["auto", "cpu", "gpu"] = "auto"
    """Where the index is searched, without `among`. "auto" takes the GPU that Spark gives a task
    (`spark.task.resource.gpu.amount`), if FAISS has that kind of index there."""
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
