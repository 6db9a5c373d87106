"""Searches of an index for all photos or a table of queries. Spark spreads and reads the rows."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from devise_lib.command_line import find_input_error
from devise_lib.config.search import BuildIndex, FindNeighbours
from devise_lib.errors import InputError
from devise_lib.index.bundle import index_root
from devise_lib.spark.search import neighbours
from devise_lib.spark.search.build_index import build_bundle
from devise_lib.spark.search.index_search import best_others
from devise_lib.spark.search.neighbours import write_by_index
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import EMBEDDINGS, PHOTOS
from tests.embedded import (
    MODEL,
    as_rows,
    clustered,
    found_share,
    names,
    nearest_by_force,
    write_embeddings,
)
from tests.rows import read_rows, row_of

pytestmark = pytest.mark.spark

N = 300
VECTORS, IDS = clustered(N), names(N)
QUERIES = clustered(30, seed=3)


@pytest.fixture(scope="module")
def work(spark, tmp_path_factory):
    """A work folder with an index of one list, whose searches are exact, and with PHOTOS."""
    folder = tmp_path_factory.mktemp("work")
    config = BuildIndex(work_dir=str(folder), index_key="IVF1,Flat")
    tables = Tables.of(spark, config)
    write_embeddings(spark, config, as_rows(VECTORS))
    build_bundle(tables, config, MODEL, "run")
    owners = [
        (IDS[i], revision, "ann" if (i + revision) % 3 else "bob")
        for i in range(N)
        for revision in (1, 2)
    ]
    rows = [row_of(PHOTOS, photo_id=i, revision=r, owner=o, photo_set="s") for i, r, o in owners]
    tables.overwrite("photos", spark.createDataFrame(rows, PHOTOS))
    return folder


def run(spark, work, **values):
    config = FindNeighbours(work_dir=str(work), **values)
    return write_by_index(Tables.of(spark, config), config, MODEL)


def write_queries(path, vectors=QUERIES, name="query_id"):
    ids = [f"q{i}" for i in range(len(vectors))]
    table = {name: ids, "embedding": pa.array([list(v) for v in vectors], pa.list_(pa.float64()))}
    pq.write_table(pa.table(table), path)
    return str(path)


def of_queries(work, query_set):
    return [row for row in read_rows(work, "neighbours") if row["query_set"] == query_set]


def test_a_table_of_queries_and_all_photos_have_rows_of_their_own(spark, work, tmp_path):
    table = write_queries(tmp_path / "queries.parquet", 3 * QUERIES)  # of any norm
    assert run(spark, work, queries=table, k=4) == {"neighbours": 120, "queries": 30}
    assert run(spark, work) == {"neighbours": 10 * N, "photos": N}
    assert run(spark, work, queries=table, k=3) == {"neighbours": 90, "queries": 30}
    assert found_share(of_queries(work, None), nearest_by_force(IDS, VECTORS, 10)) > 0.99
    exact = np.argsort(-QUERIES @ VECTORS.T, axis=1)[:, :3]
    rows = sorted(of_queries(work, table), key=lambda row: (int(row["photo_id"][1:]), row["rank"]))
    assert [row["neighbour_id"] for row in rows] == [IDS[i] for i in exact.ravel()]


def test_only_photos_that_fulfil_the_condition_are_neighbours(spark, work, tmp_path):
    """The condition is that of a photo's newest revision, and everyone still has k neighbours."""
    table = write_queries(tmp_path / "queries.parquet")
    among = "owner = 'bob' AND removed IS NULL"
    run(spark, work, queries=table, k=2)
    assert run(spark, work, queries=table, among=among, k=5) == {"neighbours": 150, "queries": 30}
    bobs = [i for i in range(N) if not (i + 2) % 3]
    exact = np.argsort(-QUERIES @ VECTORS[bobs].T, axis=1)[:, :5]
    rows = of_queries(work, f"{table} among {among}")
    rows = sorted(rows, key=lambda row: (int(row["photo_id"][1:]), row["rank"]))
    assert [row["neighbour_id"] for row in rows] == [IDS[bobs[i]] for i in exact.ravel()]
    assert len(of_queries(work, table)) == 60  # are as they were


def test_a_condition_that_no_photo_fulfils_leaves_no_neighbours(spark, work):
    found = run(spark, work, among="owner = 'nobody'")
    assert found == {"neighbours": 0, "photos": 0, "photos without a neighbour": N}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"among": "colour = 'red'"}, "no condition on columns of PHOTOS"),
        ({"among": "owner ="}, "no condition on columns of PHOTOS"),
        ({"among": "owner = 5"}, r"cannot be computed .*CAST_INVALID_INPUT.*: compare columns wi"),
        ({"queries": "nowhere.parquet"}, "nowhere.parquet cannot be read"),
        ({"queries": "{wrong}"}, "lacks query_id; it has id, embedding"),
        ({"queries": "{long}"}, "no embedding of .* has the 16 numbers of the index"),
        ({"queries": "{empty}"}, "has no row"),
        ({"devices": "gpu", "k": 7}, "sees no GPU in a task: install faiss for GPUs"),
    ],
)
def test_what_cannot_be_searched_is_refused(spark, work, tmp_path, values, message):
    made = {
        "{wrong}": write_queries(tmp_path / "wrong.parquet", name="id"),
        "{long}": write_queries(tmp_path / "long.parquet", np.ones((3, 17))),
        "{empty}": write_queries(tmp_path / "empty.parquet", QUERIES[:0]),
    }
    with pytest.raises(Exception, match=r".") as failure:
        run(spark, work, **{key: made.get(value, value) for key, value in values.items()})
    assert re.search(message, str(find_input_error(failure.value)))


def test_a_query_that_comes_twice_is_answered_once(spark, work, tmp_path):
    table = pa.table(
        {"query_id": ["q", "q", "r"], "embedding": [list(map(float, v)) for v in QUERIES[:3]]}
    )
    pq.write_table(table, tmp_path / "twice.parquet")
    found = run(spark, work, queries=str(tmp_path / "twice.parquet"), k=4)
    assert (found["neighbours"], found["queries"]) == (8, 2)


def test_a_broken_off_search_does_only_what_is_missing(spark, work, monkeypatch, capsys):
    """The commit fails after the search; a result is then damaged, and the next run makes one."""

    def fails(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(neighbours, "replace_neighbours", fails)
    with pytest.raises(OSError, match="the disk is full"):
        run(spark, work, task_rows=50)
    [draft] = Path(index_root(str(work))).glob(".search-*")
    done = sorted(draft.glob("results/*.parquet"))
    assert len(done) == 8
    done[3].write_bytes(done[3].read_bytes()[:-1] + b"x")
    monkeypatch.undo()
    capsys.readouterr()
    assert run(spark, work, task_rows=50)["neighbours"] == 10 * N
    assert "goes on: 7 of 8 tasks are done" in capsys.readouterr().out
    assert not draft.exists()
    assert found_share(of_queries(work, None), nearest_by_force(IDS, VECTORS, 10)) > 0.99


def test_each_photo_has_k_neighbours_where_the_lists_probed_hold_fewer(spark, tmp_path):
    config = BuildIndex(work_dir=str(tmp_path), index_key="IVF20,Flat", recall_target=0.3)
    tables = Tables.of(spark, config)
    write_embeddings(spark, config, as_rows(VECTORS))
    assert build_bundle(tables, config, MODEL, "run").manifest.settings.nprobe < 20
    run(spark, tmp_path, k=N - 1)
    found = {(row["photo_id"], row["neighbour_id"]) for row in read_rows(tmp_path, "neighbours")}
    assert found == {(a, b) for a in IDS for b in IDS if a != b}


def test_an_index_of_another_model_is_refused(spark, work):
    config = FindNeighbours(work_dir=str(work))
    tables = Tables.of(spark, config)
    other = spark.createDataFrame(as_rows(VECTORS[:1], "devise-v2"), EMBEDDINGS)
    tables.append("embeddings", other)
    with pytest.raises(InputError, match="is of model devise-v1, and devise-v2 was asked for"):
        write_by_index(tables, config, "devise-v2")


def test_equal_scores_are_ordered_by_id_and_a_query_is_not_its_own_neighbour():
    found = np.array([["b", "me", "a", ""], ["c", "me", "x", "y"]], dtype=object)
    scores = np.array([[1.01, 1.0, 1.01, -np.inf], [0.5, 0.5, 0.4, 0.3]], np.float32)
    batch = best_others(pa.array(["me", "you"]), found, scores, 2)
    assert batch.to_pydict() == {
        "photo_id": ["me", "me", "you", "you"],
        "neighbour_id": ["a", "b", "c", "me"],
        "rank": [1, 2, 1, 2],
        "score": [1.0, 1.0, 0.5, 0.5],
    }


def test_the_share_found_counts_what_is_missing(spark, work):
    run(spark, work, k=2)
    exact = nearest_by_force(IDS, VECTORS, 5)
    assert found_share(of_queries(work, None), exact) == pytest.approx(2 / 5)
