"""Photos that need no model: unit vectors in clusters, written to EMBEDDINGS."""

from types import SimpleNamespace

import numpy as np

from devise_lib.numerics.vectors import l2_normalize
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import EMBEDDINGS
from tests.rows import row_of

MODEL = "devise-v1"


def clustered(n, d=16, clusters=12, seed=0):
    """(n, d) float32 unit vectors around some centres, as photos of some things are."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((clusters, d))
    vectors = centres[rng.integers(clusters, size=n)] + 0.4 * rng.standard_normal((n, d))
    return l2_normalize(vectors.astype(np.float32))


def registry_entry(model_id=MODEL, words_id="", run_id="run"):
    """What jobs read of a model in the registry, for one that is not there: as trained here."""
    return SimpleNamespace(
        model_id=model_id, words_id=words_id, run_id=run_id, require_devise=lambda: None
    )


def names(n):
    """n photo ids whose order is not the order of the vectors."""
    return [f"p{(i * 7919) % 100_003:05d}" for i in range(n)]


def as_rows(vectors, model_id=MODEL, photo_ids=None):
    """A row of EMBEDDINGS for each vector; None is none."""
    photo_ids = names(len(vectors)) if photo_ids is None else photo_ids
    return [
        row_of(
            EMBEDDINGS,
            photo_id=name,
            model_id=model_id,
            photo_set="test",
            run_id="run",
            embedding=vector if vector is None else vector.tolist(),
        )
        for name, vector in zip(photo_ids, vectors, strict=True)
    ]


def write_embeddings(spark, config, rows, partitions=2):
    """Replace EMBEDDINGS."""
    df = spark.createDataFrame(rows, EMBEDDINGS).repartition(partitions)
    return Tables.of(spark, config).overwrite("embeddings", df)


def nearest_by_force(photo_ids, vectors, k):
    """For each photo id the ids of its k neighbours, by every cosine there is."""
    cosines = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    found = {}
    for i, name in enumerate(photo_ids):
        others = sorted((-cosines[i, j], other) for j, other in enumerate(photo_ids) if j != i)
        found[name] = [other for _, other in others[:k]]
    return found


def found_share(rows, exact):
    """The share of the neighbours in `exact` that rows of NEIGHBOURS have."""
    got = {(row["photo_id"], row["neighbour_id"]) for row in rows}
    wanted = [(name, other) for name, others in exact.items() for other in others]
    return sum(pair in got for pair in wanted) / len(wanted)
