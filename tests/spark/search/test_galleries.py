"""Galleries of a table against every cosine there is. Spark groups, joins and writes the rows."""

import csv
import re

import numpy as np
import pytest

from devise_lib.config.search import BuildIndex
from devise_lib.config.suggestions import CompleteGalleries
from devise_lib.errors import InputError
from devise_lib.search.galleries import gallery_queries
from devise_lib.spark.search import galleries
from devise_lib.spark.search.build_index import build_bundle
from devise_lib.spark.search.galleries import write_suggestions
from devise_lib.spark.tables.delta_tables import Tables
from tests.embedded import MODEL, as_rows, clustered, names, write_embeddings
from tests.rows import read_rows, write_rows

pytestmark = pytest.mark.spark

N, COPIES, K = 200, 30, 5
VECTORS = clustered(N)
VECTORS[1 : 1 + COPIES] = VECTORS[0]  # the same picture many times
IDS = names(N)
MINE = {
    "copied": [(IDS[0], ""), (IDS[60], "1")],
    "themes": [(IDS[i], "") for i in range(40, 52)],
    "away": [(IDS[70], "2"), (IDS[71], "-1"), (IDS[72], "-0.5"), ("unknown", "")],
    "void": [("", "")],
    "nobody": [("who", ""), (IDS[75], "-1")],
    "zeroed": [(IDS[80], "1"), (IDS[80], "-1")],  # both signs: does not belong
    'quoted "name", 5': [(IDS[81], "")],
}


@pytest.fixture(scope="module")
def work(spark, tmp_path_factory):
    """A work folder with an index of one list, whose searches are exact."""
    folder = tmp_path_factory.mktemp("work")
    config = BuildIndex(work_dir=str(folder), index_key="IVF1,Flat")
    write_embeddings(spark, config, as_rows(VECTORS))
    build_bundle(Tables.of(spark, config), config, MODEL, "run")
    return folder


@pytest.fixture
def run(spark, work, tmp_path):
    """Completes galleries, given as rows or as a file; returns the counts and the rows by id."""

    def complete(table=MINE, **values):
        path = tmp_path / "galleries.csv"
        write_csv(path, table)
        config = CompleteGalleries(
            work_dir=str(work), galleries=str(path), **{"k": K, "task_rows": 2, **values}
        )
        counts = write_suggestions(Tables.of(spark, config), config, MODEL, "run")
        found = {}
        for row in read_rows(work, "gallery_suggestions"):
            if row["gallery_set"] == str(path):
                found.setdefault(row["gallery_id"], []).append(row)
        return counts, {
            key: sorted(each, key=lambda row: row["rank"]) for key, each in found.items()
        }

    return complete


def write_csv(path, table, columns=("gallery_id", "photo_id", "sign")):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows((key, *row) for key, rows in table.items() for row in rows)


def by_force(photos, method="mean", copies=0.9999, seed=0, **values):
    """The best K photos of a gallery, and the cosine of each with its nearest member."""
    known = sorted((name, float(sign or 1)) for name, sign in photos if name in IDS)
    members = np.stack([VECTORS[IDS.index(name)] for name, sign in known if sign > 0])
    others = [VECTORS[IDS.index(name)] for name, sign in known if sign < 0]
    others = np.stack(others) if others else None
    queries = gallery_queries(members, others, method, seed=seed, **values)
    scored = []
    for name, vector in zip(IDS, VECTORS, strict=True):
        nearest = max(float(member @ vector) for member in members)
        if nearest < copies and name not in dict(known):
            scored.append((max(float(query @ vector) for query in queries), nearest, name))
    return sorted(scored, key=lambda each: (-each[0], each[2]))[:K]


def assert_is(rows, exact):
    assert [row["rank"] for row in rows] == list(range(1, len(exact) + 1))
    assert [row["score"] for row in rows] == pytest.approx([each[0] for each in exact], abs=1e-5)
    assert {row["photo_id"] for row in rows} == {each[2] for each in exact}
    nearest = {each[2]: each[1] for each in exact}
    for row in rows:
        assert row["member_cosine"] == pytest.approx(nearest[row["photo_id"]], abs=1e-5)
        why, found = (VECTORS[IDS.index(row[key])] for key in ("nearest_member", "photo_id"))
        assert why @ found == pytest.approx(row["member_cosine"], abs=1e-5)


@pytest.mark.parametrize(
    ("method", "values"),
    [("mean", {}), ("trimmed_mean", {}), ("centroids", {"centroids": 2})],
)
def test_each_gallery_gets_the_photos_that_every_cosine_gives(run, method, values):
    counts, found = run(method=method, **values)
    answered = [key for key in MINE if key not in ("nobody", "zeroed", "void")]
    assert counts == {
        "suggestions": K * len(answered),
        "galleries": len(answered),
        "galleries without a known photo": 3,
        "unknown photos": 3,
    }
    assert found.keys() == set(answered)
    for key in answered:
        assert_is(found[key], by_force(MINE[key], method, **values))
        assert {(row["model_id"], row["run_id"]) for row in found[key]} == {(MODEL, "run")}


def test_a_run_replaces_the_rows_of_its_table_and_model_alone(spark, run, work):
    other = Tables.of(spark, CompleteGalleries(work_dir=str(work), galleries="x"))
    run()
    rows = other.read("gallery_suggestions").limit(1).selectExpr(
        *[f"{'NULL' if c == 'score' else c} AS {c}" for c in ("gallery_id", "rank", "photo_id")],
        "score", "nearest_member", "member_cosine", "'devise-v2' AS model_id", "source",
        "gallery_set", "run_id",
    )  # fmt: skip
    other.append("gallery_suggestions", rows)
    _, found = run({"themes": MINE["themes"]})
    models = [row["model_id"] for row in read_rows(work, "gallery_suggestions")]
    assert models.count("devise-v2") == 1
    assert {key for key, rows in found.items() if rows[0]["model_id"] == MODEL} == {"themes"}


def test_paths_and_a_sample_of_large_galleries(spark, work, tmp_path):
    rows = [
        {"photo_id": name, "path": f"file:/a b/{i}", "revision": 1} for i, name in enumerate(IDS)
    ]
    write_rows(work, "photos", rows, mode="overwrite")
    path = tmp_path / "paths.csv"
    members = {"g": [(f"file:/a b/{i}",) for i in range(40, 60)], "h": [("file:/nowhere",)]}
    write_csv(path, members, ("gallery_id", "path"))
    config = CompleteGalleries(
        work_dir=str(work), galleries=str(path), k=N, max_members=4, copies=2.0
    )
    counts = write_suggestions(Tables.of(spark, config), config, MODEL, "run")
    assert counts == {
        "suggestions": N - 20,  # no member, in the sample or not, is suggested
        "galleries": 1,
        "galleries without a known photo": 1,
        f"galleries with fewer than {N}": 1,
        "unknown photos": 1,
        "photos beyond max_members": 16,
    }
    found = [r for r in read_rows(work, "gallery_suggestions") if r["gallery_set"] == str(path)]
    assert not {row["photo_id"] for row in found} & set(IDS[40:60])
    assert len({row["nearest_member"] for row in found}) == 4


def test_a_gallery_above_the_limit_of_own_photos_suggests_none_of_them(run, monkeypatch):
    monkeypatch.setattr(galleries, "MAX_OWN", 3)
    _, found = run({"themes": MINE["themes"]}, copies=2.0)
    assert not {row["photo_id"] for row in found["themes"]} & {name for name, _ in MINE["themes"]}
    assert [row["rank"] for row in found["themes"]] == list(range(1, len(found["themes"]) + 1))


def test_the_same_pictures_as_a_member_are_left_out_by_their_groups(run, work):
    with pytest.raises(InputError, match=r"no table duplicate_groups.*run find_duplicates"):
        run(skip_duplicates=True)
    best = [each[2] for each in by_force(MINE["themes"])]
    group = [IDS[40], best[0], best[2]]
    rows = [{"group_id": IDS[40], "photo_id": name, "model_id": MODEL} for name in group]
    write_rows(work, "duplicate_groups", rows, mode="overwrite")
    _, found = run(skip_duplicates=True)
    suggested = [row["photo_id"] for row in found["themes"]]
    assert suggested[:3] == [best[1], best[3], best[4]]
    assert len(suggested) == K


@pytest.mark.parametrize(
    ("table", "columns", "message"),
    [
        (
            {"g": [("p",)]},
            ("gallery_id", "photo"),
            r"lacks photo_id \(or path\); it has gallery_id",
        ),
        ({}, ("gallery_id", "photo_id"), "has no row"),
        ({"g": [("p", "no")]}, ("gallery_id", "photo_id", "sign"), "sign = no; want a gallery_id"),
        ({"g": [("p", "0")]}, ("gallery_id", "photo_id", "sign"), r"\(gallery g, photo p\) .*= 0"),
        ({None: [("p",)]}, ("gallery_id", "photo_id"), "gallery_id is null"),
    ],
)
def test_what_cannot_be_completed_is_refused(spark, work, tmp_path, table, columns, message):
    path = tmp_path / "wrong.csv"
    write_csv(path, table, columns)
    config = CompleteGalleries(work_dir=str(work), galleries=str(path))
    with pytest.raises(InputError) as failure:
        write_suggestions(Tables.of(spark, config), config, MODEL, "run")
    assert str(failure.value).startswith("complete_galleries.galleries: ")
    assert re.search(message, str(failure.value))
