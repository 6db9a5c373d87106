"""The index, the signatures, neighbours and tags."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from devise_lib.config.types import ModelJobConfig, OneOrMore, PositiveInt, Share, refuse_idle
from devise_lib.hash_kinds import HashKind

BinaryKind = Literal["ivf", "hash", "multi_hash"]
SIGNATURE_BITS = 256  # as in lsh/hashing.py, which a configuration does not import
_KEYS_OF_WAYS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("index",): ("task_rows", "devices"),
    ("signatures",): ("max_bucket", "probes", "keep_found", "recall_queries"),
}
_KEYS_OF_KINDS = {
    ("ivf",): ("lists", "probes"),
    ("hash",): ("hash_bits",),
    ("multi_hash",): ("multi_hash_tables", "multi_hash_bits"),
    ("hash", "multi_hash"): ("flips",),
}


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
    carry_network: bool = True
    """Whether the bundle carries the network of the model, as a Keras file: a search team then
    looks up files of photos without this package's store of models."""
    keep_bundles: PositiveInt = 2
    """This many bundles stay, the published one included. Older ones are removed."""


class BuildSignatures(ModelJobConfig):
    """Hashes EMBEDDINGS by random hyperplanes, and writes SIGNATURES and HASHES."""

    name = "build_signatures"
    needs = ("embed_photos",)
    mode: Literal["update", "rebuild"] = "update"
    """What is done: "update" signs new and changed photos and drops removed ones, by the hash that
    is there. It makes a new hash if the keys below were changed. "rebuild" always makes one, and
    signs all photos."""
    hash: HashKind = "hyperplanes"
    """How the hyperplanes are made. "hyperplanes" are random. "centred" subtracts the mean, and
    "median" makes each bit 1 for half of the photos. "pca" rotates the first principal axes, and
    "itq" learns this rotation. All but the first are fitted to `fit_photos`."""
    bits: Annotated[int, Field(ge=1, le=62)] = 24
    """The number of hyperplanes per hash table. Searches take prefixes of the codes."""
    tables: Annotated[int, Field(ge=0, le=1_000)] = 0
    """The number of hash tables. 0 solves it from the three keys that follow."""
    target_cosine: Annotated[float, Field(gt=0.0, le=1.0)] = 0.9
    """The cosine of photos that are to be found."""
    target_recall: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.9
    """The share of these photos that share a bucket in at least one table."""
    bucket_size: PositiveInt = 500
    """The photos in a bucket, if they are spread evenly. A bucket is a prefix of a code, as long as
    this number wants."""
    fit_photos: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    """The most photos to which a hash is fitted. The driver holds their embeddings."""


class FindNeighbours(ModelJobConfig):
    """Finds the nearest photos of every photo, and writes NEIGHBOURS."""

    name = "find_neighbours"
    needs = ("build_index", "build_signatures")
    via: Literal["index", "signatures"] = "index"
    """How neighbours are found: by the index, or among photos whose codes begin alike, by the hash
    of build_signatures."""
    k: PositiveInt = 10
    """The number of neighbours per photo."""
    queries: str = ""
    """A table of queries: a path or URI of a Delta table or Parquet files, with the columns
    `query_id` and `embedding` (of the same model, of any norm). "" searches for the neighbours of
    all photos."""
    among: str = ""
    """A condition in SQL on the columns of PHOTOS: only photos that fulfil it are neighbours, as
    with "owner = 'ann' AND label = 'wolf'". "" is all."""
    task_rows: PositiveInt = 200_000
    """Queries of a task, about, via "index". A run that was killed goes on with the tasks that are
    not done."""
    devices: Literal["auto", "cpu", "gpu"] = "auto"
    """Where the index is searched, via "index" without `among`. "auto" takes the GPU that Spark
    gives a task (`spark.task.resource.gpu.amount`), if FAISS has that kind of index there."""
    max_bucket: Annotated[int, Field(ge=2)] = 500
    """The most photos of one bucket with which a photo is compared, about, via "signatures". It is
    `k` + 1 at least. Buckets are prefixes of codes, as long as this number wants."""
    probes: PositiveInt = 1
    """The buckets per hash table that a query is looked up in, via "signatures": its own, and then
    those in which neighbours are most likely. Each costs a query some 0.1 ms per table, which is
    much for all photos."""
    keep_found: bool = False
    """Whether the neighbours that an earlier run found for the same queries compete with the new
    ones, via "signatures". With a hash of another `seed` each run then finds more."""
    recall_queries: Annotated[int, Field(ge=0, le=10_000)] = 200
    """The photos for which exact search tells the recall, via "signatures", where all photos are
    searched among all. 0 measures none."""

    @model_validator(mode="after")
    def _every_key_does_something(self) -> Self:
        refuse_idle(self, "via", _KEYS_OF_WAYS)
        if "recall_queries" in self.model_fields_set and (self.queries or self.among):
            raise ValueError(
                "recall_queries does nothing with queries or among: leave it out; recall is "
                "measured where all photos are searched among all"
            )
        return self


class FindDuplicates(ModelJobConfig):
    """Finds photos that are the same picture, and writes DUPLICATE_GROUPS."""

    name = "find_duplicates"
    needs = ("build_signatures",)
    min_cosine: Annotated[float, Field(gt=0.0, le=1.0)] = 0.98
    """The least cosine of two embeddings of the same picture. By MobileNet's features of real
    photos, 0.95 also finds copies that are cut, or of another size or quality. A small network sees
    less: the demo takes 0.998, because it takes other photos for copies below."""
    k: PositiveInt = 20
    """The nearest photos of each photo that may be the same picture. Pairs of these connect larger
    groups."""
    max_bucket: Annotated[int, Field(ge=2)] = 500
    """The most photos of one bucket with which a photo is compared."""


class ExportSignatures(ModelJobConfig):
    """Writes SIGNATURES as binary FAISS indexes, in one folder for search teams."""

    name = "export_signatures"
    needs = ("build_signatures",)
    opt_in = True
    kinds: OneOrMore[BinaryKind] = ("ivf",)
    """The indexes. "ivf" has inverted lists. "hash" looks up the first bits of a signature, and
    "multi_hash" several groups of bits. One task makes one after the other."""
    lists: Annotated[int, Field(ge=0, le=16_384)] = 0
    """The number of inverted lists of "ivf". 0 takes about twice the square root of the number of
    photos. There are fewer where the sample has less than 39 photos for each."""
    probes: PositiveInt = 32
    """The lists of "ivf" that a search reads."""
    hash_bits: Annotated[int, Field(ge=0, le=62)] = 0
    """The bits that "hash" looks up. 0 takes so many that about 100 photos share a bucket."""
    multi_hash_tables: Annotated[int, Field(ge=1, le=SIGNATURE_BITS)] = 8
    """The groups of bits of "multi_hash"."""
    multi_hash_bits: Annotated[int, Field(ge=0, le=62)] = 0
    """The bits of each group of "multi_hash". All groups together have 256 bits at most. 0 takes so
    many that about 8 photos share a bucket."""
    flips: Annotated[int, Field(ge=0, le=8)] = 2
    """The most bits in which the looked-up bits of a query and a photo may differ, for "hash" and
    for each group of "multi_hash". Each one more finds more photos, and takes longer."""
    queries: PositiveInt = 1_000
    """The most photos that serve as queries when recall@10 is measured: a tenth of all at most.
    They train no index."""
    keep_bundles: PositiveInt = 2
    """This many bundles stay, the published one included. Older ones are removed."""

    @model_validator(mode="after")
    def _keys_go_together(self) -> Self:
        if len(set(self.kinds)) < len(self.kinds):
            raise ValueError(f"kinds has one twice: {', '.join(self.kinds)}")
        refuse_idle(self, "kinds", _KEYS_OF_KINDS)
        if (bits := self.multi_hash_tables * self.multi_hash_bits) > SIGNATURE_BITS:
            raise ValueError(
                f"multi_hash_tables x multi_hash_bits is {bits}, and a signature has "
                f"{SIGNATURE_BITS} bits: lower one"
            )
        return self


class PredictLabels(ModelJobConfig):
    """Tags every photo with the labels nearest to its embedding, and writes PREDICTIONS."""

    name = "predict_labels"
    needs = ("embed_labels", "embed_photos")
    k: PositiveInt = 5
    """The number of labels per photo."""
    candidates: Literal["all", "seen", "unseen"] = "all"
    """The labels to choose from."""
