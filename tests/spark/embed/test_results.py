"""What tables of results hold of a model: on a session, since Delta's log and Spark both count."""

from collections import Counter

import pytest

from devise_lib.config.photos import EmbedPhotos
from devise_lib.spark.embed.results import RESULT_TABLES, Counts, count_results
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import EMBEDDINGS, QUARANTINE
from tests.rows import row_of

pytestmark = pytest.mark.spark


@pytest.fixture
def tables(spark, tmp_path) -> Tables:
    tables = Tables.of(spark, EmbedPhotos(work_dir=str(tmp_path)), run_id="run")
    for name in RESULT_TABLES:
        tables.create_if_missing(name)
    return tables


def test_tables_without_rows_are_counted_without_a_spark_job(tables, spark):
    scheduler = spark.sparkContext._jsc.sc().dagScheduler()
    jobs = scheduler.numTotalJobs()
    assert count_results(tables, "m") == Counts(0, Counter())
    assert scheduler.numTotalJobs() == jobs


def test_a_models_results_are_counted_by_reason_whichever_tables_have_rows(tables, spark):
    def refuse(stage: str, *reasons: str) -> None:
        rows = [
            row_of(QUARANTINE, photo_id=f"{model}{i}", model_id=model, stage=stage, reason=reason)
            for i, reason in enumerate(reasons)
            for model in ("m", "other")
        ]
        tables.append("quarantine", spark.createDataFrame(rows, QUARANTINE))

    refuse("embed_photos", "empty", "truncated", "empty")
    refuse("build_index", "zero_vector")  # refused by a later job: the photo has its embedding
    refused = Counter(empty=2, truncated=1)
    assert count_results(tables, "m") == Counts(0, refused)
    rows = [row_of(EMBEDDINGS, photo_id=f"e{i}", model_id="m", embedding=[1.0]) for i in range(4)]
    tables.append("embeddings", spark.createDataFrame(rows, EMBEDDINGS))
    assert count_results(tables, "m") == Counts(4, refused)
    assert count_results(tables, "none") == Counts(0, Counter())
