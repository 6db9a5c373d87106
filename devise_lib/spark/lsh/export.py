"""SIGNATURES as binary indexes: what one task does with the rows of a model."""

from collections.abc import Iterator
from uuid import uuid4

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.config.search import ExportSignatures
from devise_lib.errors import InputError
from devise_lib.index.binary import Wanted
from devise_lib.index.binary_bundle import (
    BinaryIndexes,
    Origin,
    binary_root,
    publish_indexes,
    write_indexes,
)
from devise_lib.index.bundle import drop_drafts
from devise_lib.lsh.hashing import SIGNATURE_BITS, WORD_BITS
from devise_lib.spark.lsh.hashes import read_hash
from devise_lib.spark.platform.session import arrow_rows
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.storage.stores import this_access

Batches = Iterator[pa.RecordBatch]
ROWS_AT_ONCE = 16_384  # of an Arrow batch: a megabyte or two
WORDS = SIGNATURE_BITS // WORD_BITS
DRAFT = ".draft-"  # how the names of folders begin that are not published yet


def export_signatures(
    tables: Tables, config: ExportSignatures, model_id: str, run_id: str
) -> tuple[BinaryIndexes, str]:
    """Write the signatures of a model as a bundle of binary indexes, and publish it.

    One task sorts the rows by photo_id and makes the indexes, one after the other. Per photo it
    takes 32 bytes and the id on its machine's disk, and the memory that `index.binary` tells. The
    driver holds counts alone. A run that was killed leaves a draft, which the next one removes.

    Args:
        tables: with HASHES and SIGNATURES.
        config: of the job.
        model_id: of the embeddings that were hashed.
        run_id: of MLflow, for the manifest.

    Returns:
        What was written, and the folder of the bundle.

    Raises:
        InputError: the model has no hash or fewer than two signatures, or its rows are not those
            that build_signatures writes.
    """
    found_by = read_hash(tables, model_id)
    version = tables.version("signatures")
    of_hash = (F.col("model_id") == model_id) & (F.col("hash_id") == found_by.hash_id)
    rows = tables.read("signatures", version).where(of_hash).select("photo_id", "signature")
    n, id_bytes = _size(rows, found_by.hash_id)
    wanted = Wanted(
        kinds=config.kinds,
        lists=config.lists,
        probes=config.probes,
        hash_bits=config.hash_bits,
        multi_hash_tables=config.multi_hash_tables,
        multi_hash_bits=config.multi_hash_bits,
        flips=config.flips,
        queries=config.queries,
        seed=config.seed,
    )
    root = binary_root(config.work_dir)
    drop_drafts(root, DRAFT, keep="")
    try:
        draft, made = _write(rows, n, id_bytes, wanted, root)
        origin = Origin(
            model_id=model_id,
            hash_id=found_by.hash_id,
            dimension=found_by.hash.dimension,
            table="signatures",
            table_version=version,
            run_id=run_id,
        )
        content = found_by.hash.to_bytes()
        return made, publish_indexes(draft, made, origin, content, root, config.keep_bundles)
    finally:
        drop_drafts(root, DRAFT, keep="")


def _size(rows: DataFrame, hash_id: str) -> tuple[int, int]:
    """Return the number of photos, and the bytes of the longest id."""
    found = rows.agg(
        F.count("*").alias("n"),
        F.max(F.octet_length("photo_id")).alias("id_bytes"),
        F.count_if(F.size("signature") == WORDS).alias("whole"),
    ).first()
    if found is None or found["n"] < 2:
        raise InputError(
            f"SIGNATURES has {found['n'] if found else 0} photos of {hash_id}, want two at least: "
            "run build_signatures"
        )
    if found["whole"] != found["n"]:
        raise InputError(
            f"{found['n'] - found['whole']} signatures of {hash_id} have not {SIGNATURE_BITS} "
            "bits: run build_signatures with build_signatures.mode = rebuild"
        )
    return found["n"], found["id_bytes"]


def _write(
    rows: DataFrame, n: int, id_bytes: int, wanted: Wanted, root: str
) -> tuple[str, BinaryIndexes]:
    """Write the indexes in one task; return their folder, and what is in it."""
    access = this_access()

    def write(batches: Batches) -> Batches:
        access.open()
        # Spark may run a task again, or twice at once: each run has a folder of its own.
        folder = f"{root}/{DRAFT}{uuid4().hex}"
        made = write_indexes(folder, map(_ids_and_words, batches), n, id_bytes, wanted)
        yield pa.RecordBatch.from_pydict({"folder": [folder], "made": [made.to_json()]})

    in_order = rows.repartition(1).sortWithinPartitions("photo_id")
    with arrow_rows(rows.sparkSession, ROWS_AT_ONCE):
        (row,) = in_order.mapInArrow(write, "folder string, made string").collect()
    return row["folder"], BinaryIndexes.from_json(row["made"])


def _ids_and_words(batch: pa.RecordBatch) -> tuple[list[str], NDArray[np.int64]]:
    words = batch["signature"].flatten().to_numpy(zero_copy_only=False)
    return batch["photo_id"].to_pylist(), words.reshape(-1, WORDS)
