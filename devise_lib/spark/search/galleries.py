"""GALLERY_SUGGESTIONS: the photos of an index that complete each gallery of a user's table.

A gallery goes to one task, with the embeddings of at most `max_members` of its photos. The task
makes the query, and searches the index until it has k photos that are new.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from devise_lib.config.suggestions import CompleteGalleries
from devise_lib.errors import InputError
from devise_lib.index.building.intake import take_in
from devise_lib.index.building.plan import shard_count
from devise_lib.index.building.training import set_threads
from devise_lib.index.bundle import Bundle, read_bundle, read_current
from devise_lib.numerics.vectors import FloatArray
from devise_lib.search.collection import Collection
from devise_lib.search.galleries import gallery_queries
from devise_lib.search.photo_answers import best_of_bundle
from devise_lib.spark.platform.literal_paths import text_in_sql
from devise_lib.spark.platform.session import arrow_rows
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.embedded_photos import Versions, embeddings_of
from devise_lib.spark.tables.query_tables import open_examples
from devise_lib.storage.stores import this_access

Batches = Iterator[pa.RecordBatch]
KEY = "complete_galleries.galleries"
GALLERIES_AT_ONCE = 32  # a thousand members of 300 numbers each are 1.2 MB
MAX_OWN = 100_000  # photos of a gallery that its search leaves out; the rest is left out after it
MEMBER, OTHER, DUPLICATE = 0, 1, 2  # why a photo is no suggestion
FOUND = pa.schema(
    [
        *(("gallery_id", pa.string()), ("photo_id", pa.string()), ("score", pa.float32())),
        *(("nearest_member", pa.string()), ("member_cosine", pa.float32())),
    ]
)
FOUND_SQL = (
    "gallery_id string, photo_id string, score float, nearest_member string, member_cosine float"
)


def write_suggestions(
    tables: Tables, config: CompleteGalleries, model_id: str, run_id: str
) -> dict[str, int]:
    """Replace the rows of a model and a table of galleries, in one commit.

    Returns:
        The suggestions, the galleries that have some, and what is left out.

    Raises:
        InputError: the table of galleries cannot be used, the index is of another model, or there
            are no DUPLICATE_GROUPS of the model though they are to be used.
    """
    bundle = read_current(config.work_dir)
    bundle.require_model(model_id)
    given = _open_galleries(tables, config.galleries)
    embeddings = embeddings_of(tables, model_id, Versions.newest(tables))
    counts = _count(given, embeddings, config.max_members)
    rows = given
    if config.skip_duplicates:
        rows = given.unionByName(_duplicates(tables, given, model_id))
    tasks = shard_count(counts["galleries"], config.task_rows, 1)
    grouped = _group(rows, embeddings, config, tasks)
    with arrow_rows(tables.spark, GALLERIES_AT_ONCE):
        found = grouped.mapInArrow(_make_search(bundle, config), FOUND_SQL)
        if counts["largest"] > MAX_OWN or config.skip_duplicates:
            found = found.join(rows, ["gallery_id", "photo_id"], "left_anti")
        best_first = Window.partitionBy("gallery_id").orderBy(F.desc("score"), "photo_id")
        ranked = found.withColumn("rank", F.row_number().over(best_first))
        about = {"model_id": model_id, "source": bundle.name}
        about |= {"gallery_set": config.galleries, "run_id": run_id}
        named = ranked.withColumns({name: F.lit(value) for name, value in about.items()})
        same = f"model_id = '{model_id}' AND gallery_set = {text_in_sql(config.galleries)}"
        written = tables.overwrite("gallery_suggestions", named, where=same)
    return {"suggestions": written} | _told(tables, same, counts, config.k)


def _open_galleries(tables: Tables, name: str) -> DataFrame:
    """Return gallery_id, photo_id, role: each photo of a gallery once.

    A photo that has both signs in a gallery does not belong.

    Raises:
        InputError: the table cannot be used, or a row has no gallery or a wrong sign.
    """
    rows = open_examples(tables, name, KEY, "gallery_id", {"sign": "double"}, needs_photos=True)
    is_zero = (F.col("sign") == 0) | F.isnan("sign")
    wrong = F.coalesce("wrong", F.when(is_zero, F.concat(F.lit("sign = "), "sign")))
    nameless = F.when(F.col("gallery_id").isNull(), F.lit("gallery_id is null"))
    if (
        row := rows.withColumn("fault", F.coalesce(nameless, wrong))
        .where("fault IS NOT NULL")
        .first()
    ):
        raise InputError(
            f"{KEY}: a row of {name} (gallery {row['gallery_id']}, photo {row['photo_id']}) cannot "
            f"be used: {row['fault']}; want a gallery_id, and a sign that is empty, above 0 for a "
            "member or below 0 for a photo that does not belong"
        )
    role = F.max(F.when(F.col("sign") < 0, OTHER).otherwise(MEMBER))
    photo = F.coalesce("photo_id", F.lit("")).alias("photo_id")  # "" is counted as unknown
    return rows.groupBy("gallery_id", photo).agg(role.alias("role"))


def _count(given: DataFrame, embeddings: DataFrame, max_members: int) -> dict[str, int]:
    """Return how many galleries and photos there are, and how many cannot be used."""
    known = embeddings.select("photo_id", F.lit(True).alias("is_known")).distinct()
    is_known, is_member = F.col("is_known").isNotNull(), F.col("role") == MEMBER
    of_gallery = (
        given.join(known, "photo_id", "left")
        .groupBy("gallery_id")
        .agg(
            F.count("*").alias("photos"),
            F.count_if(~is_known).alias("unknown"),
            F.count_if(is_known & is_member).alias("members"),
            F.count_if(is_known & ~is_member).alias("others"),
        )
    )
    beyond = sum(F.greatest(F.col(kind) - max_members, F.lit(0)) for kind in ("members", "others"))
    [row] = of_gallery.agg(
        F.count("*").alias("galleries"),
        F.max("photos").alias("largest"),
        F.sum("unknown").alias("unknown"),
        F.count_if(F.col("members") == 0).alias("memberless"),
        F.sum(beyond).alias("beyond"),
    ).collect()
    return {name: int(value or 0) for name, value in row.asDict().items()}


def _duplicates(tables: Tables, given: DataFrame, model_id: str) -> DataFrame:
    """Return the rows of photos that are the same picture as a photo of a gallery."""
    groups = tables.of_model("duplicate_groups", model_id).select("group_id", "photo_id")
    if groups.isEmpty():
        raise InputError(
            f"DUPLICATE_GROUPS has no group of model {model_id}: run find_duplicates with it, or "
            "set complete_galleries.skip_duplicates = false"
        )
    of_galleries = given.join(groups, "photo_id").select("gallery_id", "group_id").distinct()
    same = of_galleries.join(groups, "group_id").select("gallery_id", "photo_id").distinct()
    new = same.join(given, ["gallery_id", "photo_id"], "left_anti")
    return new.withColumn("role", F.lit(DUPLICATE))


def _group(
    rows: DataFrame, embeddings: DataFrame, config: CompleteGalleries, tasks: int
) -> DataFrame:
    """Return a row per gallery: gallery_id, the sample `photos` and the ids `own` of all photos."""
    vectors = embeddings.select("photo_id", "embedding")
    both = rows.join(vectors, "photo_id", "left").repartition(tasks, "gallery_id")
    by_hash = F.xxhash64("photo_id", F.lit(config.seed))
    of_role = Window.partitionBy("gallery_id", "role")
    place = F.row_number().over(of_role.orderBy(F.col("embedding").isNull(), by_hash, "photo_id"))
    counts = F.col("embedding").isNotNull() & (F.col("role") != DUPLICATE)
    photo = F.when(
        counts & (F.col("place") <= config.max_members), F.struct("photo_id", "role", "embedding")
    )
    own = F.when(F.col("place") <= MAX_OWN, F.col("photo_id"))
    grouped = both.withColumn("place", place).groupBy("gallery_id")
    return grouped.agg(
        F.collect_list(photo).alias("photos"), F.collect_list(own).alias("own")
    ).where(F.exists("photos", lambda each: each["role"] == MEMBER))


def _make_search(bundle: Bundle, config: CompleteGalleries) -> Callable[[Batches], Batches]:
    """Return the function over batches of galleries."""
    access, folder, dimension = this_access(), bundle.folder, bundle.manifest.dimension

    def search(batches: Batches) -> Batches:
        access.open()
        set_threads(1)  # There is a process per core.
        collection = Collection(read_bundle(folder).open())
        for batch in batches:
            for place in range(len(batch)):
                photos = batch["photos"][place].values
                taken = take_in(photos.field("photo_id"), photos.field("embedding"), dimension)
                kept = pa.array(taken.kept)
                names = np.array(photos.field("photo_id").take(kept).to_pylist(), object)
                is_member = photos.field("role").take(kept).to_numpy() == MEMBER
                own = batch["own"][place].as_py()
                found = _suggest(collection, names, is_member, taken.vectors, own, config)
                gallery = pa.array(
                    [batch["gallery_id"][place].as_py()] * len(found[0]), pa.string()
                )
                yield pa.RecordBatch.from_arrays([gallery, *found], schema=FOUND)

    return search


def _suggest(
    collection: Collection,
    names: NDArray[np.object_],
    is_member: NDArray[np.bool_],
    vectors: FloatArray,
    own: Sequence[str],
    config: CompleteGalleries,
) -> list[pa.Array]:
    """Return the columns of FOUND but the first; empty ones where a gallery has no query."""
    order = np.argsort(names)  # Spark collects lists in any order, and sums depend on it.
    names, is_member, vectors = names[order], is_member[order], vectors[order]
    members = vectors[is_member]
    rows = [row for photo in own if (row := collection.index.row_of(photo)) is not None]
    ids, scores, nearest, cosines = [], np.empty(0, np.float32), [], np.empty(0, np.float32)
    with suppress(InputError):  # The photos cancel each other out.
        queries = gallery_queries(
            members,
            vectors[~is_member],
            config.method,
            centroids=config.centroids,
            negative_weight=config.negative_weight,
            seed=config.seed,
        )
        found = best_of_bundle(
            collection, queries, members, np.array(rows, np.int64), config.copies, config.k
        )
        ids, scores = collection.ids_of(found.rows.tolist()), found.scores
        nearest = names[is_member][found.cosines.argmax(axis=1)].tolist()
        cosines = found.cosines.max(axis=1, initial=-1)
    return [
        pa.array(ids, pa.string()),
        pa.array(np.clip(scores, -1, 1), pa.float32()),
        pa.array(nearest, pa.string()),
        pa.array(np.clip(cosines, -1, 1), pa.float32()),
    ]


def _told(tables: Tables, same: str, counts: Mapping[str, int], k: int) -> dict[str, int]:
    """Return the galleries that have suggestions, and all that is left out, unless it is 0."""
    of_gallery = tables.read("gallery_suggestions").where(same).groupBy("gallery_id").count()
    short = F.count_if(F.col("count") < k).alias("short")
    [row] = of_gallery.agg(F.count("*").alias("galleries"), short).collect()
    without = counts["galleries"] - counts["memberless"] - row["galleries"]
    left_out = {
        "galleries without a known photo": counts["memberless"],
        "galleries without a suggestion": without,
        f"galleries with fewer than {k}": row["short"],
        "unknown photos": counts["unknown"],
        "photos beyond max_members": counts["beyond"],
    }
    return {"galleries": row["galleries"]} | {name: n for name, n in left_out.items() if n > 0}
