"""Functions and views of SQL need Spark: it runs them."""

from datetime import datetime

import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.spark import sql
from devise_lib.spark.tables.schemas import (
    CURRENT_MODELS,
    EMBEDDINGS,
    LABELS,
    PHOTOS,
    PREDICTIONS,
    QUARANTINE,
)
from tests.rows import row_of

pytestmark = pytest.mark.spark

VECTORS = {"p0": [0.6, 0.8], "p1": [0.0, 1.0], "p2": [1.0, 0.0]}
LABEL_VECTORS = {"wolf": [1.0, 0.0], "bear": [0.8, 0.6], "car": [0.0, 1.0]}
REGISTERED = {
    *("dot", "cosine_similarity", "hamming_distance", "lsh_bucket", "nearest_labels"),
    *("photos_current", "embeddings_current", "photos_tagged", "quarantine_summary"),
}


def photo(name, revision=1, **values):
    return row_of(PHOTOS, photo_id=name, revision=revision, path=f"{name}.jpg", **values)


@pytest.fixture(scope="module")
def registered(spark, tmp_path_factory):
    """The session with a work folder: p1 was changed, p2 is gone; m2 is current, m1 was."""
    spark = spark.newSession()  # so that no other test finds its views
    folder = tmp_path_factory.mktemp("sql")
    gone = datetime(2026, 1, 1)
    tables = {
        "photos": (
            PHOTOS,
            [
                photo("p0", label="wolf"),
                photo("p1", label="old"),
                photo("p1", 2, label="new"),
                photo("p2", removed=gone),
            ],
        ),
        "embeddings": (
            EMBEDDINGS,
            [
                row_of(EMBEDDINGS, photo_id=name, model_id=model, embedding=vector)
                for model in ("m1", "m2")
                for name, vector in VECTORS.items()
            ],
        ),
        "labels": (
            LABELS,
            [
                row_of(LABELS, label=label, term=f"a {label}", label_set=of, vector=vector)
                for of in ("one", "two")
                for label, vector in {**LABEL_VECTORS, "unknown": None}.items()
            ],
        ),
        "current_models": (
            CURRENT_MODELS,
            [
                row_of(CURRENT_MODELS, model_id="m2", since=datetime(2026, 2, 1)),
                row_of(CURRENT_MODELS, model_id="m1", since=datetime(2026, 1, 1)),
            ],
        ),
        "predictions": (
            PREDICTIONS,
            [
                row_of(PREDICTIONS, photo_id="p0", model_id=model, rank=rank, term=term)
                for model in ("m1", "m2")
                for rank, term in ((2, f"{model} second"), (1, f"{model} first"))
            ],
        ),
        "quarantine": (
            QUARANTINE,
            [
                row_of(
                    QUARANTINE,
                    photo_id=n,
                    path=n,
                    stage="ingest_photos",
                    reason=r,
                    message=f"of {n}",
                )
                for n, r in (("b", "empty"), ("a", "empty"), ("c", "truncated"))
            ],
        ),
    }
    for name, (schema, rows) in tables.items():
        frame = spark.createDataFrame(rows, schema)
        frame.write.format("delta").save(str(folder / "tables" / name))
    assert set(sql.register(spark, str(folder))) == {*tables, *REGISTERED}
    return spark


def values(spark, query):
    return [tuple(row) for row in spark.sql(query).collect()]


def test_products_and_cosines_are_those_of_numpy(registered):
    rng = np.random.default_rng(0)
    pairs = rng.standard_normal((20, 2, 7)).astype(np.float32)
    rows = [(i, a.tolist(), b.tolist()) for i, (a, b) in enumerate(pairs)]
    rows.append((20, [0.0] * 7, [1.0] * 7))
    frame = registered.createDataFrame(rows, "i int, a array<float>, b array<float>")
    frame.createOrReplaceTempView("pairs")
    found = values(registered, "SELECT dot(a, b), cosine_similarity(a, b) FROM pairs ORDER BY i")
    for (a, b), (product, cosine) in zip(pairs.astype(float), found, strict=False):
        assert product == pytest.approx(a @ b)
        assert cosine == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    assert found[20] == (0, None)


def test_distances_and_buckets_of_signatures(registered):
    query = """SELECT hamming_distance(array(0L, 7L, -1L), array(1L, 7L, 0L)),
                      lsh_bucket(182L, 8, 3)"""
    assert values(registered, query) == [(65, 0b101)]


def test_the_nearest_labels_are_told_once_each(registered):
    query = """SELECT photo_id, n.label, n.term, round(n.score, 3), n.rank
               FROM embeddings_current, LATERAL nearest_labels(embedding, 2) AS n
               ORDER BY photo_id, rank"""
    assert values(registered, query) == [
        ("p0", "bear", "a bear", 0.96, 1),
        ("p0", "car", "a car", 0.8, 2),
        ("p1", "car", "a car", 1.0, 1),
        ("p1", "bear", "a bear", 0.6, 2),
    ]


def test_views_show_what_is_current(registered):
    query = "SELECT photo_id, label FROM photos_current ORDER BY photo_id"
    assert values(registered, query) == [("p0", "wolf"), ("p1", "new")]
    query = "SELECT photo_id, model_id FROM embeddings_current ORDER BY photo_id"
    assert values(registered, query) == [("p0", "m2"), ("p1", "m2")]
    query = "SELECT photo_id, path, label, transform(tags, t -> t.term) FROM photos_tagged"
    assert values(registered, query) == [("p0", "p0.jpg", "wolf", ["m2 first", "m2 second"])]


def test_refused_photos_are_summed_up(registered):
    query = "SELECT reason, photos, example, message FROM quarantine_summary ORDER BY reason"
    assert values(registered, query) == [("empty", 2, "a", "of a"), ("truncated", 1, "c", "of c")]


def test_no_python_runs(registered):
    query = "SELECT n.* FROM embeddings_current, LATERAL nearest_labels(embedding, 2) AS n"
    plan = registered.sql(query)._jdf.queryExecution().executedPlan().toString()
    assert "Python" not in plan


def test_what_reads_a_missing_table_is_left_out(spark, tmp_path):
    session = spark.newSession()
    path = str(tmp_path / "tables" / "quarantine")
    session.createDataFrame([], QUARANTINE).write.format("delta").save(path)
    assert sql.register(session, str(tmp_path)) == [
        *("quarantine", "dot", "cosine_similarity", "hamming_distance", "lsh_bucket"),
        "quarantine_summary",
    ]


@pytest.mark.parametrize(("work_dir", "catalog"), [("", ""), ("a", "b")])
def test_one_place_is_wanted(spark, work_dir, catalog):
    with pytest.raises(InputError, match="one of them"):
        sql.register(spark, work_dir, catalog)


def test_a_folder_without_tables_is_told(spark, tmp_path):
    with pytest.raises(InputError, match="has none of the tables"):
        sql.register(spark, str(tmp_path))
