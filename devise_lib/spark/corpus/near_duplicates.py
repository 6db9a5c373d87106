"""Near-duplicate articles: which article repeats which, and which of them stays."""

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

_ROUNDS = 64  # each halves the longest chain of articles


def find_repeats(signed: DataFrame, threshold: float, num_perm: int) -> DataFrame:
    """For each article that repeats an earlier one, that one: page_id, similar_page_id, jaccard.

    Where several are found, the earliest counts.

    Args:
        signed: page_id (each once), signature (num_perm longs), bands (one long a band).
        threshold: estimated Jaccard similarity from which on an article is a repeat.
        num_perm: see devise_lib.text.near_duplicates.
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
    """The pairs of articles that may be alike: page_id, and similar_page_id, an earlier one.

    Articles that share a band of their signatures meet in its bucket, where each is paired with
    the first alone. So a bucket, however full, makes fewer pairs than it has members, and holds
    no list of them.

    Args:
        signed: page_id, bands.
    """
    members = signed.select(F.explode("bands").alias("bucket"), place("page_id").alias("place"))
    first = members.groupBy("bucket").agg(F.min("place").alias("first"), F.count("*").alias("n"))
    shared = first.where("n > 1").drop("n")  # nearly every bucket has one member
    later = members.join(shared, "bucket").where("place > first")
    ids = (F.col("place.id").alias("page_id"), F.col("first.id").alias("similar_page_id"))
    return later.select(*ids).distinct()


def name_the_kept(repeats: DataFrame) -> DataFrame:
    """Rows of NEAR_DUPLICATES: with each article that is left out, the one that stays for it.

    What an article repeats may be left out itself. The links lead to ever earlier articles, so
    they form a forest, and the one that stays is the root; by looking up where each link's link
    leads, the longest way to it is halved in each round.

    Args:
        repeats: as `find_repeats` gives them; each page_id once.

    Returns:
        Rows kept on the executors' disks: call `unpersist` when they are written.
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
        shorter.count()  # before what it is made from goes
        links.unpersist()
        links = shorter
    return links


def place(page_id: str) -> Column:
    """Orders ids by their number where they are numbers, and by their letters otherwise."""
    return F.struct(F.length(page_id).alias("length"), F.col(page_id).alias("id"))


def _jaccard(one: str, other: str, num_perm: int) -> Column:
    """The share of equal places of two signatures."""
    equal = F.zip_with(one, other, lambda a, b: (a == b).cast("int"))
    return F.aggregate(equal, F.lit(0), lambda total, same: total + same) / num_perm
