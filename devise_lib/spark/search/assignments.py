"""The assignments of a user's table, with the vectors of their texts and examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from devise_lib.config.suggestions import RankPhotographers
from devise_lib.errors import InputError
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.search.text import candidate_terms, embed_text
from devise_lib.spark.labels.text_vectors import words_for
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.query_tables import open_examples
from devise_lib.text.tokens import words

KEY = "rank_photographers.assignments"
MAX_ASSIGNMENTS = 5_000  # each task scores its photos for all of them


@dataclass(frozen=True)
class Assignment:
    """An assignment.

    Attributes:
        name: its id.
        text: (d,), unit L2 norm; None without a text of which a word is known.
        examples: (m, d), unit L2 norm.
    """

    name: str
    text: NDArray[np.float32] | None
    examples: NDArray[np.float32]


def read_assignments(
    tables: Tables,
    config: RankPhotographers,
    embeddings: DataFrame,
    model_id: str,
    words_id: str,
) -> tuple[list[Assignment], dict[str, int]]:
    """Return the assignments of a table, on the driver, and the numbers of what is left out.

    Args:
        tables: with WORD_VECTORS or TEXT_VECTORS, if there are texts.
        config: of the job.
        embeddings: photo_id, embedding; of one model.
        model_id: of the model.
        words_id: of the words that have a place in its space; "" if none have.

    Raises:
        InputError: the table cannot be used, it has more than MAX_ASSIGNMENTS, or its texts cannot
            be embedded by words of the model.
    """
    rows = open_examples(
        tables,
        config.assignments,
        KEY,
        "assignment_id",
        {"brief": "string"},
        needs_photos=False,
    )
    briefs = F.collect_set(F.when(F.trim("brief") != "", F.col("brief"))).alias("briefs")
    found = rows.groupBy("assignment_id").agg(briefs).limit(MAX_ASSIGNMENTS + 1).collect()
    _check(config.assignments, [(row["assignment_id"], row["briefs"]) for row in found])
    given = {row["assignment_id"]: row["briefs"] for row in found}
    asked = rows.where("photo_id IS NOT NULL").select("assignment_id", "photo_id").distinct()
    examples, unknown_photos = _examples(asked, embeddings, config)
    texts = {name: brief for name, each in given.items() for brief in each}
    vectors, unknown_words = _embed_texts(tables, texts, model_id, words_id)
    none = np.empty((0, 0), np.float32)
    every = [
        Assignment(name, vectors.get(name), examples.get(name, none)) for name in sorted(given)
    ]
    usable = [each for each in every if each.text is not None or len(each.examples)]
    return usable, {
        "assignments without a known word or photo": len(every) - len(usable),
        "unknown photos": unknown_photos,
        "unknown words": unknown_words,
    }


def _check(name: str, found: Sequence[tuple[str | None, Sequence[str]]]) -> None:
    if len(found) > MAX_ASSIGNMENTS:
        raise InputError(
            f"{KEY}: {name} has more than {MAX_ASSIGNMENTS:,} assignments: cut it into several "
            "tables, because each has rows of its own in PHOTOGRAPHER_RANKING"
        )
    for assignment, briefs in found:
        if assignment is None:
            raise InputError(f"{KEY}: a row of {name} has no assignment_id: give it one")
        if len(briefs) > 1:
            raise InputError(
                f"{KEY}: assignment {assignment} of {name} has {len(briefs)} briefs: give one, and "
                "leave it empty in the other rows"
            )


def _examples(
    asked: DataFrame, embeddings: DataFrame, config: RankPhotographers
) -> tuple[dict[str, NDArray[np.float32]], int]:
    """Return the vectors (m, d) of each assignment's examples, and the number of unknown photos."""
    both = asked.join(embeddings.select("photo_id", "embedding"), "photo_id", "left")
    of_one = Window.partitionBy("assignment_id", F.col("embedding").isNull())
    order = of_one.orderBy(F.xxhash64("photo_id", F.lit(config.seed)), "photo_id")
    place = F.row_number().over(order)
    vector = F.when(F.col("place") <= config.max_examples, F.col("embedding"))
    grouped = both.withColumn("place", place).groupBy("assignment_id")
    rows = grouped.agg(
        F.collect_list(vector).alias("vectors"),
        F.count_if(F.col("embedding").isNull()).alias("unknown"),
    ).collect()
    known = {
        row["assignment_id"]: l2_normalize(np.array(sorted(row["vectors"]), np.float32))
        for row in rows
        if row["vectors"]
    }
    return known, sum(row["unknown"] for row in rows)


def _embed_texts(
    tables: Tables, texts: Mapping[str, str], model_id: str, words_id: str
) -> tuple[dict[str, NDArray[np.float32]], int]:
    """Return the vectors of the texts of which a word is known, and the number of unknown words."""
    if not texts:
        return {}, 0
    table = words_for(tables, model_id, words_id)
    split = {name: words(text, numbers=True) for name, text in texts.items()}
    terms = {term for tokens in split.values() for term in candidate_terms(tokens)}
    wanted = tables.spark.createDataFrame([(term,) for term in sorted(terms)], "word string")
    known = {
        row["word"]: np.array(row["vector"], np.float32)
        for row in table.join(wanted, "word").select("word", "vector").collect()
    }
    vectors, unknown = {}, 0
    for name, tokens in split.items():
        try:
            place = embed_text(tokens, known)
        except InputError:  # No word is known, or they cancel out: counted as unknown.
            unknown += len(tokens)
            continue
        vectors[name] = place.vector
        unknown += len(place.unknown)
    return vectors, unknown
