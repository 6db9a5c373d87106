"""The pipeline in the tests' own process and session, for tests whose subject is no program."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pyspark.sql import SparkSession

from devise_lib import pipeline
from tests.conftest import ROOT

OURS = ("spark.sql.", "spark.databricks.")  # others cannot change in a session that runs


def run_in_session(spark: SparkSession, *words: str) -> None:
    """Call the pipeline from the repository's root; the session's settings stay as they are."""
    with settings_kept(spark), pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        pipeline.main(list(words))


@contextmanager
def settings_kept(spark: SparkSession) -> Iterator[None]:
    """Put back the settings that the body gives the session, e.g. those of a configuration."""
    before = settings_of(spark)
    try:
        yield
    finally:
        for key, value in settings_of(spark).items():
            if key not in before:
                spark.conf.unset(key)
            elif value != before[key]:
                spark.conf.set(key, before[key])


def settings_of(spark: SparkSession) -> dict[str, str]:
    return {key: value for key, value in spark.conf.getAll.items() if key.startswith(OURS)}
