"""SIGNATURES: the codes of every photo, kept up to date with EMBEDDINGS."""

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.config.search import BuildSignatures
from devise_lib.errors import InputError
from devise_lib.index.building.intake import take_in
from devise_lib.lsh.hashing import Hash
from devise_lib.spark.lsh.hashes import StoredHash, stored_or_new_hash
from devise_lib.spark.platform.session import arrow_rows
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.embedded_photos import Versions, embeddings_of
from devise_lib.spark.tables.vector_columns import rows_to_lists

Batches = Iterator[pa.RecordBatch]
ROWS_AT_ONCE = 4_096  # of an Arrow batch
SIGNED = "photo_id string, sha256 string, codes array<bigint>, signature array<bigint>"


def require_dimension(embeddings: DataFrame, model_id: str) -> tuple[int, int]:
    """Return the number of embeddings of a model, and their length.

    Raises:
        InputError: there is none, their lengths differ, one is null, or a photo has two.
    """
    length = F.size("embedding")  # For a null it is null under ANSI rules, otherwise -1.
    found = embeddings.agg(
        F.count("*").alias("n"),
        F.count_distinct("photo_id").alias("photos"),
        F.min(length).alias("least"),
        F.max(length).alias("most"),
        F.count_if(F.col("embedding").isNull() | F.col("photo_id").isNull()).alias("nulls"),
    ).first()
    if found is None or not found["n"]:
        raise InputError(f"EMBEDDINGS has no photo of model {model_id}: run embed_photos with it")
    if found["nulls"] or found["least"] != found["most"]:
        raise InputError(
            f"the embeddings of model {model_id} have {found['least']} to {found['most']} numbers "
            f"and {found['nulls']} are null, want one length: they do not come from embed_photos"
        )
    if found["photos"] < found["n"]:
        raise InputError(
            f"{found['n']} embeddings of model {model_id} are of {found['photos']} photos, "
            "want one for each: they do not come from embed_photos alone"
        )
    return int(found["n"]), int(found["most"])


def write_signatures(
    tables: Tables, config: BuildSignatures, model_id: str
) -> tuple[StoredHash, dict[str, int]]:
    """Bring the rows of a model in SIGNATURES up to date, in one commit.

    With the hash that is there, only photos that are new, changed or gone are touched. With a new
    hash all rows of the model are replaced. A run that was killed before this commit left rows of
    the older hash, which the next run replaces.

    Returns:
        The hash; and the photos that were signed, dropped, and left without a signature because
        their embedding has no direction.

    Raises:
        InputError: the model has no embeddings, or a key does not go with them.
    """
    versions = Versions.newest(tables)
    embeddings = embeddings_of(tables, model_id, versions)
    photos, dimension = require_dimension(embeddings, model_id)
    made = stored_or_new_hash(tables, config, model_id, embeddings, (photos, dimension))
    about = {"model_id": F.lit(model_id), "hash_id": F.lit(made.hash_id)}
    current = None
    if config.mode == "update":
        current = _signed_before(tables, model_id, made.hash_id)
    with arrow_rows(tables.spark, ROWS_AT_ONCE):
        if current is None:
            rows = sign(embeddings, made.hash).withColumns(about)
            signed = tables.overwrite("signatures", rows, where=f"model_id = '{model_id}'")
            dropped = 0
        else:
            changes = _changes(embeddings, current, made.hash).withColumns(about)
            same = f"t.model_id = '{model_id}' AND t.photo_id = s.photo_id"
            done = tables.merge(
                "signatures",
                changes,
                same,
                lambda merge: (
                    merge.whenMatchedDelete("s.codes IS NULL")
                    .whenMatchedUpdateAll()
                    .whenNotMatchedInsertAll("s.codes IS NOT NULL")
                ),
            )
            signed = done.get("numTargetRowsInserted", 0) + done.get("numTargetRowsUpdated", 0)
            dropped = done.get("numTargetRowsDeleted", 0)
    total = tables.of_model("signatures", model_id).count()
    counts = {"signatures": total, "signed": signed, "dropped": dropped}
    return made, counts | ({"without a signature": photos - total} if photos > total else {})


def _signed_before(tables: Tables, model_id: str, hash_id: str) -> DataFrame | None:
    """Return the rows that the hash has made; None if there is none."""
    if not tables.exists("signatures"):
        return None
    rows = tables.of_model("signatures", model_id).where(F.col("hash_id") == hash_id)
    return None if rows.isEmpty() else rows.select("photo_id", "sha256")


def _changes(embeddings: DataFrame, current: DataFrame, made: Hash) -> DataFrame:
    """Return SIGNED of photos that are new or changed, and with null codes those to drop."""
    now = embeddings.select("photo_id", "sha256")  # without the embeddings, which are large
    before = current.withColumnsRenamed({"sha256": "before"}).withColumn("known", F.lit(True))
    is_same = F.col("known") & F.col("sha256").eqNullSafe(F.col("before"))
    both = now.join(before, "photo_id", "left")
    fresh = both.where(~F.coalesce(is_same, F.lit(False))).select("photo_id")
    signed = sign(embeddings.join(fresh, "photo_id", "left_semi"), made)
    signed = fresh.join(signed, "photo_id", "left")  # Null where the direction was lost.
    gone = current.select("photo_id").join(now, "photo_id", "left_anti")
    of = {"sha256": "string", "codes": "array<bigint>", "signature": "array<bigint>"}
    nothing = {name: F.lit(None).cast(kind) for name, kind in of.items()}
    return signed.unionByName(gone.withColumns(nothing))


def sign(embeddings: DataFrame, made: Hash) -> DataFrame:
    """Return photo_id, sha256, codes and signature of embeddings that have a direction."""
    content = embeddings.sparkSession.sparkContext.broadcast(made.to_bytes())

    def sign_batches(batches: Batches) -> Batches:
        here = Hash.from_bytes(content.value)
        for batch in batches:
            taken = take_in(batch["photo_id"], batch["embedding"], here.dimension)
            kept = pa.array(taken.kept)
            yield pa.RecordBatch.from_arrays(
                [
                    batch["photo_id"].take(kept),
                    batch["sha256"].take(kept),
                    rows_to_lists(here.codes(taken.vectors)),
                    rows_to_lists(here.signatures(taken.vectors)),
                ],
                names=["photo_id", "sha256", "codes", "signature"],
            )

    rows = embeddings.select("photo_id", "sha256", "embedding")
    return rows.mapInArrow(sign_batches, SIGNED)
