"""Functions and views of SQL need Spark: it runs them."""

from datetime import datetime

import numpy as np
import pytest
from pyspark.errors import AnalysisException, SparkRuntimeException

from devise_lib.errors import InputError
from devise_lib.spark import sql
from devise_lib.spark.labels.lookup import dedupe_labels
from devise_lib.spark.tables.analyst_sql import quote_name
from devise_lib.spark.tables.schemas import EMBEDDINGS
from tests.rows import write_rows

pytestmark = pytest.mark.spark

VECTORS = {"p0": [0.6, 0.8], "p1": [0.0, 1.0], "p2": [1.0, 0.0], "p3": [0.0, -1.0]}
LABEL_ROWS = [  # label_set, label, term, vector
    ("one", "bear", "a bear", None),
    ("one", "wolf", "a wolf", [2.0, 0.0]),  # no unit vector
    ("three", "bear", "a cub", [-1.0, 0.0]),
    ("two", "bear", "the bear", [0.8, 0.6]),
    ("two", "car", None, [0.0, 1.0]),
    ("two", "unknown", None, None),
    ("two", "wolf", "A wolf", [-1.0, -1.0]),
    ("two", "zero", "nothing", [0.0, 0.0]),
]
REGISTERED = {
    *("dot", "unit_vector", "cosine_similarity", "hamming_distance", "lsh_bucket"),
    *("rank_labels", "label_vectors", "nearest_labels", "current_model"),
    *("photos_current", "embeddings_current", "photos_tagged", "quarantine_summary"),
}


def photo(name, revision=1, sha256="first", **more):
    given = {"photo_id": name, "revision": revision, "path": f"{name}.jpg", "sha256": sha256}
    return given | more


def refused(name, reason, stage="ingest_photos", **more):
    given = {"photo_id": name, "path": name, "stage": stage, "reason": reason, "sha256": "first"}
    return given | {"message": f"of {name}"} | more


def embedded(name, model, vector, sha256="first"):
    return {"photo_id": name, "model_id": model, "sha256": sha256, "embedding": vector}


def write(folder, **tables):
    for name, rows in tables.items():
        write_rows(folder, name, rows)


@pytest.fixture(scope="module")
def registered(spark, tmp_path_factory):
    """The session with a work folder, in which m2 is the current model and m1 was it before.

    The file of p1 was changed, and embedded again. p2 is gone. The file of p3 was changed after it
    was embedded. p4 has no embedding. The file of p5 cannot be read any more.
    """
    spark = spark.newSession()  # so that no other test finds its views
    folder = tmp_path_factory.mktemp("sql")
    gone = datetime(2026, 1, 1)
    tables = {
        "photos": [
            photo("p0", label="wolf"),
            photo("p1", label="old"),
            photo("p1", 2, "second", label="new"),
            photo("p2", removed=gone),
            photo("p3", 2, "second"),
            photo("p4"),
            photo("p5", removed=gone),
        ],
        "embeddings": [
            embedded(name, model, vector, "second" if name == "p1" else "first")
            for model in ("m1", "m2")
            for name, vector in VECTORS.items()
        ],
        "labels": [
            {"label_set": of, "label": label, "term": term, "vector": vector}
            for of, label, term, vector in reversed(LABEL_ROWS)
        ],
        "current_models": [
            {"model_id": "m2", "since": datetime(2026, 2, 1)},
            {"model_id": "m1", "since": datetime(2026, 1, 1)},
        ],
        "predictions": [
            {"photo_id": name, "model_id": model, "rank": rank, "term": f"{model} {rank}"}
            for name in ("p0", "p3")
            for model in ("m1", "m2")
            for rank in (2, 1)
        ],
        "quarantine": [
            refused("b", "empty", sha256=None),
            refused("a", "empty"),
            refused("p5", "truncated"),
            *(refused("p4", "corrupt", "embed_photos", model_id=m) for m in ("m1", "m2")),
            refused("p1", "corrupt", "embed_photos", model_id="m1", sha256="second"),
            refused("p2", "corrupt", "embed_photos", model_id="m2"),
            refused("p3", "corrupt", "embed_photos", model_id="m2"),
            *(refused("p0", "corrupt", "build_index", model_id="m2", path=None) for _ in "ab"),
        ],
    }
    write(folder, **tables)
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


def one(spark, expression):
    return values(spark, f"SELECT {expression}")[0][0]


def test_distances_and_buckets_of_signatures(registered):
    query = """SELECT hamming_distance(array(0L, 7L, -1L), array(1L, 7L, 0L)),
                      lsh_bucket(182L, 8, 3), lsh_bucket(182L, 8, 8), lsh_bucket(182L, 8, 0)"""
    assert values(registered, query) == [(65, 0b101, 182, 0)]


def test_numbers_of_double_precision_keep_it(registered):
    assert one(registered, "dot(array(1 + 1e-12D), array(1F))") == 1 + 1e-12


@pytest.mark.parametrize(
    "expression",
    [
        "dot(NULL, array(1))",
        "dot(array(1, NULL), array(1, 2))",
        "cosine_similarity(array(1), NULL)",
        "unit_vector(NULL)",
        "hamming_distance(NULL, array(1L))",
        "lsh_bucket(NULL, 8, 3)",
        "lsh_bucket(1, NULL, 3)",
        "lsh_bucket(1, 8, NULL)",
        "nearest_labels(array(1, 0), NULL)",
    ],
)
def test_null_gives_null(registered, expression):
    assert one(registered, expression) is None


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("dot(array(1), array(1, 2))", "a vector of 1 numbers and one of 2"),
        ("cosine_similarity(array(1), array(1, 2))", "a vector of 1 numbers and one of 2"),
        ("hamming_distance(array(1L), array(1L, 2L))", "a signature of 1 words and one of 2"),
        ("lsh_bucket(182, 8, 9)", "code 182, bits 8, prefix 9: want 1 to 62 bits"),
        ("lsh_bucket(182, 8, -1)", "prefix -1: want"),
        ("lsh_bucket(182, 64, 3)", "bits 64, prefix 3: want"),
        ("lsh_bucket(182, 7, 3)", "code 182, bits 7, prefix 3: want"),
        ("nearest_labels(array(1, 2, 3), 1)", "an embedding of 3 numbers and a label vector of 2"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(registered, expression, message):
    with pytest.raises(SparkRuntimeException, match=message):
        one(registered, expression)


def test_a_label_has_term_and_vector_of_its_first_set_with_a_vector(registered):
    query = "SELECT label, term, vector FROM label_vectors WHERE label <> 'zero' ORDER BY label"
    assert values(registered, query) == [
        ("bear", "a cub", [-1.0, 0.0]),
        ("car", "car", [0.0, 1.0]),
        ("wolf", "a wolf", [1.0, 0.0]),
    ]


def test_labels_have_the_terms_that_the_jobs_take(registered):
    rows = dedupe_labels(registered.table("labels")).where("vector IS NOT NULL")
    terms = rows.selectExpr("label", "coalesce(term, label)").orderBy("label").collect()
    query = "SELECT label, term FROM label_vectors ORDER BY label"
    assert values(registered, query) == [tuple(row) for row in terms]


NEAREST = """
    SELECT photo_id, n.* FROM (
        SELECT photo_id, nearest_labels(embedding, 2) AS labels FROM embeddings_current
    ) LATERAL VIEW OUTER inline(labels) n
"""


def test_the_nearest_labels_are_told_once_each(registered):
    query = f"SELECT photo_id, label, term, round(score, 3), rank FROM ({NEAREST}) ORDER BY 1, 5"
    assert values(registered, query) == [
        ("p0", "car", "car", 0.8, 1),
        ("p0", "wolf", "a wolf", 0.6, 2),
        ("p1", "car", "car", 1.0, 1),
        ("p1", "bear", "a cub", 0.0, 2),  # before the wolf by name
    ]


@pytest.mark.parametrize(
    ("embedding", "scores"),
    [
        ("array(30, 40)", [0.8, 0.6]),  # no unit vector
        ("CAST(NULL AS ARRAY<FLOAT>)", []),
        ("array(1, NULL)", []),
        ("array(1, double('NaN'))", []),
        ("array(0, 0)", []),
    ],
)
def test_scores_are_cosines_and_there_is_none_of_an_invalid_vector(registered, embedding, scores):
    found = one(registered, f"nearest_labels(CAST({embedding} AS ARRAY<DOUBLE>), 2)")
    assert [row["score"] for row in found] == pytest.approx(scores)


def test_labels_of_ones_own_can_be_ranked(registered):
    query = """
        SELECT rank_labels(array(1, 0), collect_list(struct(label, term, vector)), 9)
        FROM label_vectors WHERE label IN ('car', 'wolf')
    """
    [(found,)] = values(registered, query)
    assert [(row["rank"], row["label"]) for row in found] == [(1, "wolf"), (2, "car")]


def test_views_show_what_is_current(registered):
    assert values(registered, "SELECT model_id FROM current_model") == [("m2",)]
    query = "SELECT photo_id, label FROM photos_current ORDER BY photo_id"
    photos = [("p0", "wolf"), ("p1", "new"), ("p3", None), ("p4", None)]
    assert values(registered, query) == photos
    assert registered.table("embeddings_current").columns == EMBEDDINGS.names
    query = "SELECT photo_id, model_id FROM embeddings_current ORDER BY photo_id"
    assert values(registered, query) == [("p0", "m2"), ("p1", "m2")]


def test_every_photo_is_in_photos_tagged(registered):
    query = "SELECT photo_id, path, transform(tags, t -> t.term) FROM photos_tagged ORDER BY 1"
    assert values(registered, query) == [
        ("p0", "p0.jpg", ["m2 1", "m2 2"]),
        *((name, f"{name}.jpg", []) for name in ("p1", "p3", "p4")),
    ]


def test_refused_photos_are_summed_up(registered):
    query = "SELECT stage, reason, photos, example, message FROM quarantine_summary ORDER BY 1, 2"
    assert values(registered, query) == [
        ("build_index", "corrupt", 1, None, "of p0"),
        ("embed_photos", "corrupt", 1, "p4", "of p4"),
        ("ingest_photos", "empty", 2, "a", "of a"),
        ("ingest_photos", "truncated", 1, "p5", "of p5"),
    ]


def test_neither_python_nor_a_shuffle_of_photos_is_in_the_plan_of_nearest_labels(registered):
    query = NEAREST.replace("embeddings_current", "embeddings")
    plan = registered.sql(query)._jdf.queryExecution().executedPlan().toString()
    photos = [line for line in plan.splitlines() if not line.lstrip().startswith((":", "|"))]
    assert "Python" not in plan
    assert "Exchange" in plan  # of the labels, once
    assert not any("Exchange" in line or "Join" in line for line in photos)


def test_what_reads_a_missing_table_is_left_out(spark, tmp_path):
    session = spark.newSession()
    write(tmp_path, photos=[photo("p0")], quarantine=[refused("a", "empty")])
    assert set(sql.register(session, str(tmp_path))) == {
        *("photos", "quarantine", "current_models"),
        *("dot", "unit_vector", "cosine_similarity", "hamming_distance", "lsh_bucket"),
        *("rank_labels", "current_model", "photos_current", "quarantine_summary"),
    }
    assert one(session, "count(*) FROM quarantine_summary") == 1
    assert one(session, "count(*) FROM current_models") == 0


def test_a_second_folder_takes_the_place_of_the_first(spark, tmp_path):
    session = spark.newSession()
    first, second = tmp_path / "first", tmp_path / "second"
    write(
        first,
        photos=[photo("p0")],
        labels=[{"label": "wolf", "label_set": "one", "vector": [1.0]}],
        current_models=[{"model_id": "m", "since": datetime(2026, 1, 1)}],
        embeddings=[embedded("p0", "m", [1.0])],
    )
    write(second, photos=[photo("p1")])
    both = [set(sql.register(session, str(folder))) for folder in (first, second)]
    lost = {"labels", "embeddings", "label_vectors", "nearest_labels", "embeddings_current"}
    assert both[0] - both[1] == lost
    for name in ("labels", "embeddings", "label_vectors", "embeddings_current"):
        with pytest.raises(AnalysisException, match="TABLE_OR_VIEW_NOT_FOUND"):
            session.table(name)
    with pytest.raises(AnalysisException, match="UNRESOLVED_ROUTINE"):
        session.sql("SELECT nearest_labels(array(1), 1)")
    assert values(session, "SELECT photo_id FROM photos_current") == [("p1",)]
    assert values(session, "SELECT model_id FROM current_models") == []


def test_a_folder_without_tables_leaves_what_is_registered(spark, tmp_path):
    session = spark.newSession()
    write(tmp_path / "first", photos=[photo("p0")])
    sql.register(session, str(tmp_path / "first"))
    with pytest.raises(InputError, match="has none of the tables"):
        sql.register(session, str(tmp_path))
    assert values(session, "SELECT photo_id FROM photos_current") == [("p0",)]


@pytest.mark.parametrize("catalog", ["no.such.place", "my-cat.devise"])
def test_another_error_than_of_a_missing_table_is_told(spark, catalog):
    with pytest.raises(AnalysisException, match="REQUIRES_SINGLE_PART_NAMESPACE"):
        sql.register(spark, catalog=catalog)


@pytest.mark.parametrize("catalog", ["my-sql.tables", "`my-sql`.tables"])
def test_names_of_a_catalog_are_quoted(catalog):
    assert quote_name(catalog) == "`my-sql`.`tables`"


def test_tables_of_a_catalog_are_registered(spark, tmp_path):
    session = spark.newSession()
    write(tmp_path, photos=[photo("p0")])
    session.sql("CREATE DATABASE devise_sql")
    try:
        place = f"USING delta LOCATION '{tmp_path}/tables/photos'"
        session.sql(f"CREATE TABLE devise_sql.photos {place}")
        names = sql.register(session, catalog="spark_catalog.devise_sql")
        assert {"photos", "photos_current"} <= set(names)
        assert values(session, "SELECT photo_id FROM photos_current") == [("p0",)]
    finally:
        session.sql("DROP DATABASE devise_sql CASCADE")


@pytest.mark.parametrize(("work_dir", "catalog"), [("", ""), ("a", "b")])
def test_one_place_is_wanted(spark, work_dir, catalog):
    with pytest.raises(InputError, match="one of them"):
        sql.register(spark, work_dir, catalog)


@pytest.mark.parametrize("place", ["work_dir", "catalog"])
def test_a_place_without_tables_is_told(spark, tmp_path, place):
    where = {"work_dir": str(tmp_path), "catalog": "no_such_database"}
    with pytest.raises(InputError, match="has none of the tables"):
        sql.register(spark, **{place: where[place]})
