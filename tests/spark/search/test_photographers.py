"""Assignments of a table against every score there is. Spark joins, sorts and writes the rows."""

import math
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from devise_lib.config.suggestions import RankPhotographers
from devise_lib.errors import InputError
from devise_lib.search.photographers import SHARPNESS
from devise_lib.spark.labels.word_space import id_of_words
from devise_lib.spark.search import assignments, best_owners
from devise_lib.spark.search.best_owners import BestOwners
from devise_lib.spark.search.photographers import write_ranking
from devise_lib.spark.tables.delta_tables import Tables
from tests.embedded import MODEL, as_rows, clustered, names, write_embeddings
from tests.rows import read_rows, write_rows

N, OWNERS, K = 150, 12, 5
VECTORS, IDS = clustered(N), names(N)
WORDS = dict(zip(("snow", "leopard", "snow_leopard", "zoo"), clustered(4, seed=9), strict=True))
RNG = np.random.default_rng(4)
OWNER = {
    name: f"o{n}" if n < OWNERS - 1 else None
    for name, n in zip(IDS, RNG.integers(OWNERS, size=N).tolist(), strict=True)
}
ROWS = [
    {"assignment_id": "text", "brief": "Snow leopard, xyzzy!"},
    {"assignment_id": "like", "photo_id": IDS[3]},
    {"assignment_id": "like", "photo_id": IDS[9]},
    {"assignment_id": "like", "photo_id": "unknown"},
    {"assignment_id": "both", "brief": "zoo", "photo_id": IDS[5]},
    {"assignment_id": "both", "photo_id": IDS[6]},
    {"assignment_id": "nothing", "brief": "plugh"},
]


@pytest.fixture(scope="module")
def work(spark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    write_embeddings(
        spark, RankPhotographers(work_dir=str(folder), assignments="x"), as_rows(VECTORS)
    )
    before = [{"photo_id": name, "owner": "of before", "revision": 1} for name in IDS[:9]]
    now = [{"photo_id": name, "owner": owner, "revision": 2} for name, owner in OWNER.items()]
    write_rows(folder, "photos", before + now)
    vectors = [{"word": word, "vector": vector.tolist()} for word, vector in WORDS.items()]
    write_rows(folder, "word_vectors", vectors)
    return folder


@pytest.fixture
def run(spark, work, tmp_path):
    """Ranks owners for rows of assignments; returns what the job says and the rows of the table."""

    def rank(rows=ROWS, words_id="", **values):
        path = tmp_path / "assignments.parquet"
        columns = {
            key: [row.get(key) for row in rows] for key in ("assignment_id", "brief", "photo_id")
        }
        pq.write_table(pa.table({k: pa.array(v, pa.string()) for k, v in columns.items()}), path)
        config = RankPhotographers(work_dir=str(work), assignments=str(path), **{"k": K, **values})
        tables = Tables.of(spark, config)
        words_id = words_id or id_of_words(tables.read("word_vectors"))
        counts, exposure = write_ranking(tables, config, MODEL, "run", words_id)
        found = {}
        for row in sorted(read_rows(work, "photographer_ranking"), key=lambda row: row["rank"]):
            if row["assignment_set"] == str(path):
                found.setdefault(row["assignment_id"], []).append(row)
        return counts, exposure, found

    return rank


def by_force(name, pooling="log_sum_exp", top=20, shrinkage=5.0, examples="max", text_weight=0.5):
    """The best K owners of an assignment, by the words of the definition."""
    text = {"text": WORDS["snow_leopard"], "both": WORDS["zoo"]}.get(name)
    like = [row["photo_id"] for row in ROWS if row["assignment_id"] == name and "photo_id" in row]
    scores = {}
    for photo, vector in zip(IDS, VECTORS.astype(float), strict=True):
        parts = [] if text is None else [float(vector @ text)]
        cosines = [float(vector @ VECTORS[IDS.index(each)]) for each in like if each in IDS]
        if cosines:
            parts.append(max(cosines) if examples == "max" else sum(cosines) / len(cosines))
        scores[photo] = parts[0]
        if len(parts) == 2:
            scores[photo] = text_weight * parts[0] + (1 - text_weight) * parts[1]
    usual = sum(scores.values()) / len(scores)
    ranked = []
    for owner in set(OWNER.values()) - {None}:
        mine = sorted((p for p in IDS if OWNER[p] == owner), key=lambda p: (-scores[p], p))
        values = [scores[photo] for photo in mine]
        if pooling == "top":
            pooled = sum(values[:top]) / len(values[:top])
        elif pooling == "mean":
            pooled = sum(values) / len(values)
        else:
            powers = [math.exp(SHARPNESS * value) for value in values]
            pooled = math.log(sum(powers) / len(powers)) / SHARPNESS
        score = usual + (pooled - usual) * len(mine) / (len(mine) + shrinkage)
        ranked.append((owner, score, len(mine), mine[: min(5, top)]))
    return sorted(ranked, key=lambda each: (-each[1], each[0]))[:K]


@pytest.mark.spark
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"pooling": "top", "top": 3, "examples": "mean", "text_weight": 0.2},
    ],
)
def test_owners_are_ranked_as_every_score_says(run, values):
    counts, exposure, found = run(**values)
    asked = ("both", "like", "text")
    owners = len(set(OWNER.values()) - {None})
    assert counts == {
        "rows": K * len(asked),
        "assignments": len(asked),
        "owners": owners,
        "assignments without a known word or photo": 1,
        "unknown photos": 1,
        "unknown words": 2,
    }
    assert found.keys() == set(asked)
    shown = []
    for name in asked:
        exact = by_force(name, **values)
        assert [row["owner"] for row in found[name]] == [each[0] for each in exact]
        for row, (owner, score, photos, best) in zip(found[name], exact, strict=True):
            assert row["score"] == pytest.approx(score, abs=1e-6)
            assert (row["photos"], row["best_photos"]) == (photos, best)
            assert row["best_scores"] == sorted(row["best_scores"], reverse=True)
            shown.append(owner)
        assert {(row["model_id"], row["run_id"]) for row in found[name]} == {(MODEL, "run")}
    most = max(shown.count(owner) for owner in shown)
    assert exposure == pytest.approx(most / len(shown))  # 1 % of so few owners is one of them


@pytest.mark.spark
def test_a_run_replaces_its_rows_also_by_none_and_samples_examples(run):
    _, _, found = run(ROWS[1:3], max_examples=1, pooling="mean", shrinkage=0.0)
    assert found.keys() == {"like"}
    best = [score for row in found["like"] for score in row["best_scores"]]
    assert sum(score > 0.9999 for score in best) <= 1  # Only one example is like itself.
    counts, exposure, found = run(ROWS[-1:])
    assert (counts["rows"], exposure, found) == (0, 0.0, {})


@pytest.mark.spark
@pytest.mark.parametrize(
    ("rows", "words_id", "message"),
    [
        ([], "", "has no row"),
        ([{"brief": "zoo"}], "", "a row of .* has no assignment_id"),
        ([{"assignment_id": "a", "brief": b} for b in ("x", "y")], "", "assignment a .* 2 briefs"),
        ([{"assignment_id": str(i)} for i in range(4)], "", "more than 3 assignments: cut it"),
        (ROWS, "other", r"WORD_VECTORS \(4-.*\) are other ones than .*\(other\)"),
    ],
)
def test_what_cannot_be_ranked_is_refused(run, monkeypatch, rows, words_id, message):
    monkeypatch.setattr(assignments, "MAX_ASSIGNMENTS", 3 if len(rows) == 4 else 5_000)
    with pytest.raises(InputError) as failure:
        run(rows, words_id)
    assert re.search(message, str(failure.value))


def test_the_best_owners_of_many_are_kept_however_often_the_others_are_dropped(monkeypatch):
    config = RankPhotographers(assignments="x", k=3, pooling="mean", shrinkage=0.0)
    scores = RNG.random((2, 40)).round(1)  # with ties, which names decide
    owners = [f"o{i // 2:02d}" for i in range(40)]
    results = []
    for limits in ({}, {"SCORES_AT_ONCE": 1, "IDS_AT_ONCE": 1}):
        for key, value in limits.items():
            monkeypatch.setattr(best_owners, key, value)
        best = BestOwners(["a", "b"], np.zeros(2), config)
        for i, owner in enumerate(owners):
            best.add(owner, [f"p{i:02d}"], scores[:, i : i + 1])
        results.append(best.rows().to_pylist())
    assert results[0] == results[1]
    for row, name in enumerate("ab"):
        means = {
            o: (scores[row, 2 * n] + scores[row, 2 * n + 1]) / 2 for n, o in enumerate(owners[::2])
        }
        wanted = sorted(means, key=lambda o: (-means[o], o))[:3]
        assert [r["owner"] for r in results[0] if r["assignment_id"] == name] == wanted
    assert BestOwners(["a"], np.zeros(1), config).rows().num_rows == 0
