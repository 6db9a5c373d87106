"""TEXT_VECTORS: the texts that have a place in the space of a registered model.

A model with two towers embeds photos and texts in one space. Its texts take the place of LABELS.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, NumericType, StringType

from devise_lib.errors import InputError
from devise_lib.spark.labels.word_space import (
    TEXTS,
    id_of_words,
    is_of_texts,
    require_same_words,
)
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.user_tables import open_user_table

KEY = "register_model.texts"
TEXT_SET = "texts"  # the label set of texts
MAX_LISTED = 3
NO_WORD = r"[^\p{L}\p{N}]+"
NORM = "sqrt(aggregate(vector, 0D, (total, x) -> total + x * x))"
FAULTS = (  # conditions on rows that have passed those before
    ("text IS NULL OR text = ''", "a text is empty"),
    ("vector IS NULL OR size(vector) != {dimension}", "a vector has not {dimension} numbers"),
    ("exists(vector, x -> x IS NULL OR isnan(x) OR abs(x) = 'Infinity')", "one is not finite"),
    (f"{NORM} = 0", "a vector is zero"),
)


def open_texts(tables: Tables, name: str, dimension: int) -> DataFrame:
    """Return text and vector (unit L2 norm) of a user's table of texts.

    Args:
        tables: give the session.
        name: the value of register_model.texts, a Delta table or Parquet files.
        dimension: the length of the model's vectors.

    Raises:
        InputError: it lacks a column, a text is empty or has two vectors, or a vector has another
            length, is zero or not finite.
    """
    table = open_user_table(tables.spark, name, KEY, is_name=False)
    if missing := {"text", "vector"} - set(table.columns):
        raise InputError(
            f"{KEY}: {name} lacks {', '.join(sorted(missing))}; it has {', '.join(table.columns)}"
        )
    text, vector = (table.schema[column].dataType for column in ("text", "vector"))
    if not isinstance(text, StringType):
        raise InputError(f"{KEY}: text of {name} is {text.simpleString()}, want string")
    if not (isinstance(vector, ArrayType) and isinstance(vector.elementType, NumericType)):
        raise InputError(
            f"{KEY}: vector of {name} is {vector.simpleString()}, want an array of numbers"
        )
    texts = table.select(
        F.trim("text").alias("text"), F.col("vector").cast("array<double>")
    ).distinct()
    for condition, fault in FAULTS:
        bad = texts.where(condition.format(dimension=dimension))
        _refuse(name, bad, fault.format(dimension=dimension))
    doubled = texts.groupBy("text").count().where("count > 1")
    _refuse(name, doubled, "a text has two vectors")
    if texts.isEmpty():
        raise InputError(f"{KEY}: {name} has no row")
    normed = texts.withColumn("norm", F.expr(NORM))
    return normed.selectExpr("text", "transform(vector, x -> float(x / norm)) AS vector")


def _refuse(name: str, bad: DataFrame, fault: str) -> None:
    rows = bad.select("text").orderBy("text").limit(MAX_LISTED + 1).collect()
    if rows:
        listed = ", ".join(repr(row["text"]) for row in rows[:MAX_LISTED])
        more = ", ..." if len(rows) > MAX_LISTED else ""
        raise InputError(f"{KEY}: {name}: {fault} ({listed}{more})")


def id_of_texts(texts: DataFrame) -> str:
    """Return a digest of texts and their vectors, such as "texts-816-6e0b8d2f41a3c957"."""
    return f"{TEXTS}{id_of_words(texts.withColumnRenamed('text', 'word'))}"


def _require_words(model_id: str, words_id: str) -> None:
    if not words_id:
        raise InputError(
            f"{model_id} has no words: it was registered without {KEY}; similar photos, duplicates "
            "and galleries need none"
        )


def labels_for(tables: Tables, model_id: str, words_id: str) -> DataFrame:
    """Return the labels that have a place in the space of a model, as LABELS has them.

    These are LABELS, or the texts of a model that came with some. A text is its own label and term.

    Args:
        tables: with LABELS or TEXT_VECTORS.
        model_id: of the model.
        words_id: of the words that have a place in its space.

    Raises:
        InputError: no words have one, or LABELS are of other word vectors.
    """
    _require_words(model_id, words_id)
    if not is_of_texts(words_id):
        labels = tables.read("labels")
        require_same_words(labels, words_id, model_id)
        return labels
    return tables.of_model("text_vectors", model_id).select(
        F.col("text").alias("label"),
        F.lit(TEXT_SET).alias("label_set"),
        F.array("text").alias("terms"),
        F.col("text").alias("term"),
        F.lit(False).alias("seen"),
        "vector",
    )


def words_for(tables: Tables, model_id: str, words_id: str) -> DataFrame:
    """Return word and vector of all that has a place in the space of a model.

    These are WORD_VECTORS, or the texts of a model that came with some: in small letters, their
    words joined by _.

    Args:
        tables: with WORD_VECTORS or TEXT_VECTORS.
        model_id: of the model.
        words_id: of the words that have a place in its space.

    Raises:
        InputError: no words have one, or WORD_VECTORS are other ones.
    """
    _require_words(model_id, words_id)
    if not is_of_texts(words_id):
        words = tables.read("word_vectors")
        if (found := id_of_words(words)) != words_id:
            raise InputError(
                f"WORD_VECTORS ({found}) are other ones than those that the model was trained on "
                f"({words_id}), so no text can be embedded: run embed_labels, train_devise and "
                "embed_photos, or give photos in place of texts"
            )
        return words
    joined = F.regexp_replace(F.lower("text"), NO_WORD, "_")
    texts = tables.of_model("text_vectors", model_id)
    named = texts.select(F.btrim(joined, F.lit("_")).alias("word"), "text", "vector")
    return named.groupBy("word").agg(F.min_by("vector", "text").alias("vector"))
