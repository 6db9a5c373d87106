"""DUPLICATE_GROUPS: photos whose embeddings say that they are the same picture."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from devise_lib.config.search import FindDuplicates
from devise_lib.errors import InputError
from devise_lib.lsh.hashing import SIGNATURE_BITS, WORD_BITS
from devise_lib.lsh.theory import most_differing
from devise_lib.spark.lsh.components import connected_components
from devise_lib.spark.lsh.hashes import read_hash
from devise_lib.spark.lsh.neighbours import Searched, SearchSettings, find_neighbours
from devise_lib.spark.lsh.signing import ROWS_AT_ONCE, require_dimension
from devise_lib.spark.platform.session import arrow_rows
from devise_lib.spark.tables.caching import PersistScope, Scratch
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.embedded_photos import Versions, embeddings_of

WORDS = SIGNATURE_BITS // WORD_BITS
ROUNDING = 1e-6  # of the cosine of two equal embeddings, which float32 gives


def write_duplicates(tables: Tables, config: FindDuplicates, model_id: str) -> dict[str, int]:
    """Replace the groups of a model, in one commit.

    Two photos are the same picture if their cosine reaches `min_cosine` and their signatures do not
    differ in more bits than such a cosine allows. Pairs are sought among the `k` nearest photos of
    each. A group is what such pairs connect.

    Returns:
        The groups, the photos in them, those that are not the representative of their group, and
        what was compared.

    Raises:
        InputError: there is no photo, hash or signature of the model.
    """
    versions = Versions.newest(tables)
    photos = embeddings_of(tables, model_id, versions).select("photo_id", "embedding")
    require_dimension(photos, model_id)
    found_by = read_hash(tables, model_id)
    signatures = tables.of_model("signatures", model_id).where(F.col("hash_id") == found_by.hash_id)
    if signatures.isEmpty():
        raise InputError(f"SIGNATURES has no photo of {found_by.hash_id}: run build_signatures")
    how = SearchSettings(config.k, config.max_bucket, probes=1, seed=config.seed)
    folder = f"{config.work_dir.rstrip('/')}/checkpoints/{config.name}"
    with PersistScope() as persist, arrow_rows(tables.spark, ROWS_AT_ONCE), Scratch(folder) as kept:
        ranked, work = find_neighbours(None, Searched(photos, found_by), how, persist)
        near = kept.save(ranked.where(F.col("score") >= config.min_cosine - ROUNDING), "near")
        edges = _alike(near, signatures, most_differing(config.min_cosine, SIGNATURE_BITS))
        groups = connected_components(edges, kept)
        rows = _describe(groups, photos, _sizes(tables, versions))
        about = {"model_id": F.lit(model_id), "hash_id": F.lit(found_by.hash_id)}
        of_model = f"model_id = '{model_id}'"
        count = tables.overwrite("duplicate_groups", rows.withColumns(about), where=of_model)
    first = tables.of_model("duplicate_groups", model_id).where("is_representative").count()
    return {"groups": first, "photos": count, "duplicates": count - first} | work


def hamming_column(left: Column, right: Column) -> Column:
    """Return the number of differing bits of two columns `signature`."""
    words = [F.bit_count(left[i].bitwiseXOR(right[i])) for i in range(WORDS)]
    return sum(words[1:], start=words[0])


def _alike(near: DataFrame, signatures: DataFrame, most: int) -> DataFrame:
    """Return a and b of pairs whose signatures differ in at most `most` bits."""
    pairs = near.select(F.col("photo_id").alias("a"), F.col("neighbour_id").alias("b"))
    for side in ("a", "b"):
        of_side = signatures.select(
            F.col("photo_id").alias(side), F.col("signature").alias(f"signature_{side}")
        )
        pairs = pairs.join(of_side, side)
    differing = hamming_column(F.col("signature_a"), F.col("signature_b"))
    return pairs.where(differing <= most).select("a", "b")


def _sizes(tables: Tables, versions: Versions) -> DataFrame | None:
    """Return photo_id and size_bytes of the newest revision of each photo; None without PHOTOS."""
    if versions.photos < 0:
        return None
    photos = tables.read("photos", versions.photos)
    return photos.groupBy("photo_id").agg(F.max_by("size_bytes", "revision").alias("size_bytes"))


def _describe(groups: DataFrame, photos: DataFrame, sizes: DataFrame | None) -> DataFrame:
    """Return the rows of the groups; the largest file of a group represents it."""
    members = groups.withColumnsRenamed({"node": "photo_id", "component": "group"})
    members = members.join(photos.select("photo_id", "embedding"), "photo_id")
    if sizes is None:
        members = members.withColumn("size_bytes", F.lit(None).cast("long"))
    else:
        members = members.join(sizes, "photo_id", "left")
    best_first = Window.partitionBy("group").orderBy(F.desc_nulls_last("size_bytes"), "photo_id")
    whole = Window.partitionBy("group")
    first = F.first(F.struct("photo_id", "embedding")).over(best_first)
    product = F.aggregate(
        F.zip_with("embedding", "first.embedding", lambda a, b: a.cast("double") * b),
        F.lit(0.0),
        lambda total, each: total + each,
    )
    described = members.withColumns({"first": first, "photos": F.count("*").over(whole)})
    return described.select(
        F.col("first.photo_id").alias("group_id"),
        "photo_id",
        (F.col("photo_id") == F.col("first.photo_id")).alias("is_representative"),
        "photos",
        F.greatest(F.least(product, F.lit(1.0)), F.lit(-1.0)).cast("float").alias("score"),
    )
