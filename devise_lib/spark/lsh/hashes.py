"""HASHES and the files of hashes: which hash a model has, and how a new one is made."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame, Row

from devise_lib.config.search import BuildSignatures
from devise_lib.console import print_line
from devise_lib.errors import InputError
from devise_lib.lsh.fitting import FITTED, make_hash
from devise_lib.lsh.hashing import Hash
from devise_lib.lsh.theory import collision_probability, tables_for
from devise_lib.spark.lsh.sampling import sample_embeddings
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.search_schemas import HASHES
from devise_lib.storage.stores import store_files

KEYS = ("hash", "bits", "tables", "target_cosine", "target_recall", "bucket_size", "fit_photos")
# Kinds whose bits are independent. Rotated axes are not: fewer photos meet than for random ones.
PROMISED = ("hyperplanes", "centred", "median")
MOST_TABLES = 1_000
LEAST_PREFIX = 4  # bits: few photos are compared with some of the others, too


@dataclass(frozen=True)
class StoredHash:
    """A hash and its row in HASHES.

    Attributes:
        hash: the hyperplanes.
        row: of HASHES, by column.
    """

    hash: Hash
    row: dict[str, object]

    @property
    def hash_id(self) -> str:
        """The id, which changes whenever the hyperplanes do."""
        return str(self.row["hash_id"])

    @property
    def prefix_bits(self) -> int:
        """The length of the prefixes for which the number of tables was solved."""
        return int(str(self.row["prefix_bits"]))

    def promise(self) -> dict[str, float]:
        """Return the probability that photos of the target cosine meet, as a metric, if known."""
        meet = self.row["meet_probability"]
        return {} if meet is None else {"meet_probability": float(str(meet))}


def read_hash(tables: Tables, model_id: str) -> StoredHash:
    """Return the hash of a model.

    Raises:
        InputError: there is none, or its file is missing or is not the one that was written.
    """
    row = _row_of(tables, model_id) if tables.exists("hashes") else None
    if row is None:
        raise InputError(f"HASHES has no hash of model {model_id}: run build_signatures with it")
    found = _load(tables, row)
    if isinstance(found, str):
        raise InputError(f"{found}: run build_signatures")
    return found


def _load(tables: Tables, row: Row) -> StoredHash | str:
    """Return the hash of a row, or what is wrong with its file."""
    path = f"{tables.work_dir}/{row['file']}"
    content = store_files().read(path)
    if content is None:
        return f"{path} is missing"
    if not str(row["hash_id"]).endswith(_digest(content)):
        return f"{path} is not the file that build_signatures wrote"
    return StoredHash(Hash.from_bytes(content), row.asDict())


def stored_or_new_hash(
    tables: Tables,
    config: BuildSignatures,
    model_id: str,
    embeddings: DataFrame,
    size: tuple[int, int],
) -> StoredHash:
    """Return the hash of a model: the one that is there if its keys are, or a new one.

    A new one is written before this returns. Its row replaces that of the older one.

    Args:
        tables: with HASHES.
        config: of the job.
        model_id: of the embeddings.
        embeddings: photo_id and embedding of the model, all of one length.
        size: the number of embeddings, and their length.

    Raises:
        InputError: a key does not go with the embeddings.
    """
    parameters = _parameters(config)
    row = _row_of(tables, model_id) if tables.exists("hashes") else None
    same = row is not None and (row["parameters"], row["dimension"]) == (parameters, size[1])
    if config.mode == "update" and row is not None and same:
        stored = _load(tables, row)
        if not isinstance(stored, str):
            return stored
        print_line(f"{config.name}  makes a new hash, because {stored}")
    made = _make(config, model_id, embeddings, size, parameters)
    store_files().write(f"{tables.work_dir}/{made.row['file']}", made.hash.to_bytes())
    frame = tables.spark.createDataFrame([made.row], HASHES)
    tables.overwrite("hashes", frame, where=f"model_id = '{model_id}'")
    named = {row["file"] for row in tables.read("hashes").select("file").collect()}
    for found in store_files().children(f"{tables.work_dir}/hashes"):
        if f"hashes/{found.path.rsplit('/', 1)[-1]}" not in named:
            store_files().remove(found.path)
    return made


def prefix_bits(photos: int, bucket_size: int, bits: int) -> int:
    """Return the length of prefixes that about `bucket_size` photos share, if spread evenly."""
    return min(bits, max(LEAST_PREFIX, round(np.log2(max(photos, 1) / bucket_size))))


def _make(
    config: BuildSignatures,
    model_id: str,
    embeddings: DataFrame,
    size: tuple[int, int],
    parameters: str,
) -> StoredHash:
    photos, dimension = size
    prefix = prefix_bits(photos, config.bucket_size, config.bits)
    solved = config.tables or tables_for(config.target_cosine, config.target_recall, prefix)
    if solved > MOST_TABLES:
        raise InputError(
            f"build_signatures wants {solved:,} tables for target_recall "
            f"{config.target_recall:g} at target_cosine {config.target_cosine:g} in buckets of "
            f"{config.bucket_size} photos, above {MOST_TABLES:,}: raise bucket_size or "
            "target_cosine, lower target_recall, or give tables"
        )
    meet = collision_probability(config.target_cosine, prefix, solved)
    sample = np.empty((0, dimension), np.float32)
    if config.hash in FITTED:
        _, taken = sample_embeddings(embeddings, config.fit_photos, config.seed, dimension)
        sample = taken.vectors
    try:
        made = make_hash(config.hash, dimension, config.bits, solved, config.seed, sample)
    except ValueError as error:
        raise InputError(f"build_signatures: {error}") from error
    hash_id = f"{model_id}-{config.hash}-b{config.bits}-t{solved}-{_digest(made.to_bytes())}"
    row = {
        "hash_id": hash_id,
        "model_id": model_id,
        "kind": config.hash,
        "dimension": dimension,
        "bits": config.bits,
        "tables": solved,
        "prefix_bits": prefix,
        "meet_probability": meet if config.hash in PROMISED else None,
        "seed": config.seed,
        "parameters": parameters,
        "file": f"hashes/{hash_id}.npz",
    }
    return StoredHash(made, row)


def _row_of(tables: Tables, model_id: str) -> Row | None:
    return tables.of_model("hashes", model_id).first()


def _parameters(config: BuildSignatures) -> str:
    return json.dumps({key: getattr(config, key) for key in (*KEYS, "seed")})


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]
