import re
from dataclasses import asdict, replace

import pytest

from devise_lib.config.reporting import Evaluate
from devise_lib.errors import InputError
from devise_lib.report.content import Measurement
from devise_lib.spark.tables import metrics_table
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.metrics_table import (
    Metric,
    as_columns,
    read_measurements,
    replace_metrics,
)
from tests.rows import read_rows, write_rows

pytestmark = pytest.mark.spark


def hit(method: str, value: float, k: int | None = 1) -> Metric:
    return Metric(method, "photos seen", "unseen_only", "hit", k, value)


@pytest.fixture(scope="module")
def tables(spark, tmp_path_factory) -> Tables:
    return Tables.of(spark, Evaluate(work_dir=str(tmp_path_factory.mktemp("work"))))


def stored(tables):
    rows = read_rows(tables.work_dir, "metrics")
    return sorted((r["model_id"], r["method"], r["value"], r["run_id"], r["seed"]) for r in rows)


def test_figures_replace_those_of_the_same_job_and_model_alone(tables):
    """The kind of fault: rows of an earlier configuration, which stay beside those of today.

    The last run of evaluate has neither ridge nor a k of 1: "m-v1" kept the figure of ridge.
    """
    assert replace_metrics(tables, [hit("devise", 0.1), hit("ridge", 0.2)], "r1", "m-v1", 0) == 2
    assert replace_metrics(tables, [hit("devise", 0.3)], "r2", "m-v2", 1) == 1
    assert replace_metrics(tables, [hit("word2vec", 0.4, None)], "r3", "", 0) == 1
    assert replace_metrics(tables, [hit("ivf", 0.9, 10)], "r6", "m-v1", 0) == 1
    assert replace_metrics(tables, [hit("devise", 0.6, 5)], "r4", "m-v1", 0) == 1
    assert stored(tables) == [
        ("", "word2vec", 0.4, "r3", 0),
        ("m-v1", "devise", 0.6, "r4", 0),
        ("m-v1", "ivf", 0.9, "r6", 0),
        ("m-v2", "devise", 0.3, "r2", 1),
    ]
    replace_metrics(tables, [hit("word2vec", 0.7, None)], "r5", "", 0)
    assert stored(tables)[0] == ("", "word2vec", 0.7, "r5", 0)
    assert len(stored(tables)) == 4
    assert replace_metrics(tables, [], "r7", "m-v2", 0) == 0  # nothing could be measured
    assert "m-v2" not in {row[0] for row in stored(tables)}
    assert len(stored(tables)) == 3


def test_no_figure_of_no_model_writes_nothing(tables):
    before = tables.version("metrics") if tables.exists("metrics") else None
    assert replace_metrics(tables, [], "r", "", 0) == 0
    assert (tables.version("metrics") if tables.exists("metrics") else None) == before


@pytest.mark.parametrize(
    ("figures", "fault"),
    [
        ([hit("devise", float("nan"))], "a figure is not finite: Metric.*devise"),
        ([hit("devise", 0.1), hit("ivf", 0.1)], "want figures of one job, got .*'ivf'"),
    ],
)
def test_figures_that_are_no_numbers_or_of_several_jobs_are_refused(tables, figures, fault):
    with pytest.raises(ValueError, match=fault):
        replace_metrics(tables, figures, "r", "m-v1", 0)


def test_columns_have_the_meanings_of_the_fields(spark, tmp_path):
    tables = Tables.of(spark, Evaluate(work_dir=str(tmp_path)))
    replace_metrics(tables, [Metric("conse", "p", "c", "photos", None, 7)], "run", "m-v3", 9)
    [row] = read_rows(tmp_path, "metrics")
    assert row == {
        "run_id": "run",
        "model_id": "m-v3",
        "method": "conse",
        "photo_set": "p",
        "candidate_set": "c",
        "metric": "photos",
        "k": None,
        "value": 7.0,
        "seed": 9,
    }


def test_a_flat_name_tells_all_but_the_value_in_characters_that_mlflow_takes():
    assert hit("devise", 0.5, 5).flat_name() == "hit_at_5/devise/photos_seen/unseen_only"
    assert Metric("word2vec", "", "", "words", None, 3.0).flat_name() == "words/word2vec"
    odd = Metric("a(b)", "ü é", "x:y", "m", None, 0.0).flat_name()
    assert re.fullmatch(r"[\w./ -]+", odd)


def test_measurements_are_those_of_one_model_and_of_words_and_of_seeds_the_mean(spark, tmp_path):
    tables = Tables.of(spark, Evaluate(work_dir=str(tmp_path)))
    assert read_measurements(tables, "m-v1") == []
    of_seeds = [replace(hit("devise", value), seed=seed) for seed, value in enumerate((0.1, 0.3))]
    replace_metrics(tables, of_seeds, "r1", "m-v1", 0)
    replace_metrics(tables, [hit("devise", 0.9)], "r2", "m-v2", 0)
    replace_metrics(tables, [Metric("word2vec", "t", "", "spearman", None, 0.5)], "r3", "", 0)
    found = sorted(read_measurements(tables, "m-v1"), key=lambda row: row.method)
    assert found == [
        Measurement("devise", "photos seen", "unseen_only", "hit", 1, pytest.approx(0.2)),
        Measurement("word2vec", "t", "", "spearman", None, 0.5),
    ]


def test_more_figures_than_a_report_takes_are_told_and_not_cut(spark, tmp_path, monkeypatch):
    tables = Tables.of(spark, Evaluate(work_dir=str(tmp_path)))
    figures = [asdict(hit("devise", 0.1, k)) for k in range(5)]
    write_rows(tmp_path, "metrics", [{**figure, "model_id": "m-v1"} for figure in figures])
    monkeypatch.setattr(metrics_table, "MAX_METRICS", 4)
    with pytest.raises(InputError, match=r"more than 4 figures of m-v1: evaluate fewer"):
        read_measurements(tables, "m-v1")


def test_figures_are_a_table_too():
    found = as_columns([hit("devise", 0.1), replace(hit("ridge", 0.2, 5), seed=3)])
    assert found["method"] == ["devise", "ridge"]
    assert (found["k"], found["value"], found["seed"]) == ([1, 5], [0.1, 0.2], [None, 3])
