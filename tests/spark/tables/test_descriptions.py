"""What is said of the tables is so; without a session."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from devise_lib.config.registry import JOBS
from devise_lib.errors import InputError
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.descriptions import DESCRIPTIONS
from devise_lib.spark.tables.schemas import SCHEMAS

NAMES = [job.name for job in JOBS]
SOURCES = Path(__file__).parents[3] / "jobs"
SPARK = SimpleNamespace(_jsc=SimpleNamespace(hadoopConfiguration=dict))  # as far as a path asks it


def named_in(job: str, *methods: str) -> set[str]:
    """The tables that the file of a job names in calls of these methods."""
    source = (SOURCES / f"{job}.py").read_text(encoding="utf-8")
    return set(re.findall(rf'tables\.(?:{"|".join(methods)})\(\s*"(\w+)"', source))


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_missing_table_is_told_with_the_jobs_that_write_it(name, tmp_path):
    with pytest.raises(InputError, match=f"no table {name} at {tmp_path}/tables/{name}: ") as told:
        Tables(SPARK, str(tmp_path), "", {}).require(name)
    for job in DESCRIPTIONS[name].written_by:
        assert job in str(told.value)


def test_every_table_is_described_by_jobs_in_the_order_of_the_flow():
    assert list(DESCRIPTIONS) == list(SCHEMAS)
    for table in DESCRIPTIONS.values():
        assert table.written_by
        for jobs in (table.written_by, table.read_by):
            assert list(jobs) == sorted(jobs, key=NAMES.index)


@pytest.mark.parametrize("job", NAMES)
def test_the_tables_that_the_file_of_a_job_names_are_those_that_it_is_said_to_use(job):
    written = {name for name, table in DESCRIPTIONS.items() if job in table.written_by}
    read = {name for name, table in DESCRIPTIONS.items() if job in table.read_by}
    assert named_in(job, "overwrite", "append", "merge", "delete") <= written
    assert named_in(job, "read", "of_model", "require", "version") <= read | written


def test_partitions_are_columns():
    for name, table in DESCRIPTIONS.items():
        assert set(table.partitioned_by) <= set(SCHEMAS[name].names)
