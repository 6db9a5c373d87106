"""Ids of word vectors: a model fits only LABELS that were made from the same ones.

LABELS of attributes have an id of another form, because words have no place in their space. The
texts of a registered model have one, too.
"""

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.errors import InputError

ATTRIBUTES = "attributes-"
TEXTS = "texts-"


def id_of_attributes(sets: Iterable[Mapping[str, NDArray[np.float32]]]) -> str:
    """Return a digest of classes and their attributes, such as "attributes-50-6e0b8d2f41a3c957"."""
    digest, count = hashlib.sha256(), 0
    for attributes in sets:
        for name, vector in attributes.items():
            digest.update(f"{name}\n".encode() + vector.tobytes())
            count += 1
    return f"{ATTRIBUTES}{count}-{digest.hexdigest()[:16]}"


def has_words(words_id: str) -> bool:
    """Return whether words have a place in the space with this id."""
    return not words_id.startswith(ATTRIBUTES)


def is_of_texts(words_id: str) -> bool:
    """Return whether an id is of the texts of a registered model."""
    return words_id.startswith(TEXTS)


def id_of_words(word_vectors: DataFrame) -> str:
    """Return a digest of WORD_VECTORS, in any order of its rows, such as "816-6e0b8d2f41a3c957".

    It reads the table once, and one row comes to the driver.
    """
    # A sum would overflow, so it is xor. Each word occurs once, so no two rows cancel out.
    digest = F.bit_xor(F.xxhash64("word", "vector"))
    [row] = word_vectors.agg(F.count("*").alias("words"), digest.alias("digest")).collect()
    return f"{row['words']}-{(row['digest'] or 0) % 2**64:016x}"


def id_of_labels(labels: DataFrame) -> str:
    """Return the words_id of LABELS.

    Raises:
        InputError: LABELS has no row.
    """
    row = labels.select("words_id").first()
    if row is None:
        raise InputError("LABELS has no label: run embed_labels")
    return str(row["words_id"])


def require_same_words(labels: DataFrame, words_id: str, model_id: str) -> None:
    """Raise InputError if the vectors of LABELS lie in another space than the model's embeddings.

    Args:
        labels: LABELS.
        words_id: of the LABELS that the model was trained on.
        model_id: the model, for the message.

    Raises:
        InputError: the two differ, so every cosine between them would be meaningless.
    """
    found = id_of_labels(labels)
    if found != words_id:
        raise InputError(
            f"LABELS were made from other word vectors ({found}) than the model {model_id} "
            f"({words_id}): run train_devise and embed_photos again"
        )
