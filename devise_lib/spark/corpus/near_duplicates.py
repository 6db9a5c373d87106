"""Near-duplicate articles: which article repeats which, and which of them stays."""

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

_ROUNDS = 64  # Each round halves the longest chain of articles.


def find_repeats(signed: DataFrame, threshold: float, num_perm: int) -> DataFrame:
    """Return the earliest article that each repeating article is similar to.

    Args:
        signed: page_id (each once), signature (num_perm longs), bands (one long per band).
        threshold: estimated Jaccard similarity, in [0, 1], from which an article is a repeat.
        num_perm: length of a MinHash signature.

    Returns:
        page_id, similar_page_id, jaccard: one row per repeat.
    """
    own = signed.select("page_id", "signature")
    other = own.toDF("similar_page_id", "other_signature")
    close = (
        pairs_to_compare(signed)
        .join(own, "page_id")
        .join(other, "similar_page_id")
        .withColumn("jaccard", _jaccard("signature", "other_signature", num_perm))
        .where(F.col("jaccard") >= threshold)
    )
    earliest = F.min_by(F.struct("similar_page_id", "jaccard"), place("similar_page_id"))
    return close.groupBy("page_id").agg(earliest.alias("found")).select("page_id", "found.*")


def pairs_to_compare(signed: DataFrame) -> DataFrame:
    """Return the pairs of articles that may be alike: page_id, and similar_page_id, an earlier one.

    Articles that share a band of their signatures meet in its bucket. There each is paired only
    with the first. So a bucket makes fewer pairs than it has members, and holds no list of them.

    Args:
        signed: page_id, bands.
    """
    members = signed.select(F.explode("bands").alias("bucket"), place("page_id").alias("place"))
    first = members.groupBy("bucket").agg(F.min("place").alias("first"), F.count("*").alias("n"))
    shared = first.where("n > 1").drop("n")  # Most have one.
    later = members.join(shared, "bucket").where("place > first")
    ids = (F.col("place.id").alias("page_id"), F.col("first.id").alias("similar_page_id"))
    return later.select(*ids).distinct()


def resolve_kept(repeats: DataFrame) -> DataFrame:
    """Return rows of NEAR_DUPLICATES: each article that is left out, and the one that stays for it.

    The article that is repeated may be left out itself. All links lead to earlier articles, so they
    form a forest, and the root stays. Each round replaces a link by the link of its target, which
    halves the longest way to a root.

    Args:
        repeats: the result of `find_repeats`; each page_id once.

    Returns:
        Rows that are persisted on the executors' disks: call `unpersist` when they are written.
    """
    links = repeats.withColumn("kept_page_id", F.col("similar_page_id"))
    links = links.withColumn("reason", F.lit("near_duplicate")).persist(StorageLevel.DISK_ONLY)
    for _ in range(_ROUNDS):
        further = links.select(
            F.col("page_id").alias("kept_page_id"), F.col("kept_page_id").alias("further")
        )
        if links.join(further, "kept_page_id", "left_semi").isEmpty():
            break
        followed = links.join(further, "kept_page_id", "left").withColumn(
            "kept_page_id", F.coalesce("further", "kept_page_id")
        )
        shorter = followed.select(links.columns).persist(StorageLevel.DISK_ONLY)
        shorter.count()  # It must be computed before its source is unpersisted.
        links.unpersist()
        links = shorter
    return links


def place(page_id: str) -> Column:
    """Return a sort key for ids: by number if they are numbers, otherwise by length and letters."""
    return F.struct(F.length(page_id).alias("length"), F.col(page_id).alias("id"))


def _jaccard(one: str, other: str, num_perm: int) -> Column:
    """Return the share of equal positions of two signatures."""
    equal = F.zip_with(one, other, lambda a, b: (a == b).cast("int"))
    return F.aggregate(equal, F.lit(0), lambda total, same: total + same) / num_perm
