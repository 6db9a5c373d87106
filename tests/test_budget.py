import pytest

from tests import budget
from tests.budget import SparkJobs, longest_first, maker_first, summary, updated


def test_the_longest_file_comes_first_and_an_unknown_one_counts_as_the_average():
    durations = {"slow.py": 50.0, "fast.py": 2.0, "gone.py": 8.0}
    files = {"fast.py", "new_b.py", "new_a.py", "slow.py"}
    assert longest_first(files, durations) == ["slow.py", "new_a.py", "new_b.py", "fast.py"]
    assert longest_first(files, {}) == sorted(files)


def test_stored_durations_keep_what_did_not_run_and_forget_files_that_are_gone():
    before = {"b.py": 1.0, "gone.py": 2.0, "a.py": 3.0}
    stored = updated(before, {"b.py": 4.04, "c.py": 5.0}, {"a.py", "b.py", "c.py"})
    assert list(stored.items()) == [("a.py", 3.0), ("b.py", 4.0), ("c.py", 5.0)]


def test_the_summary_tells_times_and_jobs_and_the_slowest_tests():
    seconds = {f"tests/test_a.py::test_{i}": float(i) for i in range(25)}
    lines = list(summary(90.0, seconds, {"tests/test_a.py::test_24": 7}))
    assert lines[0] == "wall time 1 min 30 s"
    assert lines[1].startswith("process time 5 min 0 s ")
    assert lines[2].startswith("7 Spark jobs ")
    assert len(lines) == 4 + budget.SLOWEST
    assert lines[4].split() == ["24.0", "7", "tests/test_a.py::test_24"]
    assert lines[-1].endswith("test_5")


@pytest.mark.spark
def test_the_spark_jobs_since_the_last_call_are_counted(spark):
    counted = SparkJobs()
    counted.since_last()
    assert counted.since_last() == 0
    spark.sparkContext.parallelize([1, 2]).count()
    spark.sparkContext.parallelize([1, 2]).count()
    assert counted.since_last() == 2


def test_one_of_the_files_that_share_a_run_comes_first():
    assert maker_first(["a", "b", "c", "d"], {"b", "d"}) == ["b", "a", "c", "d"]
    assert maker_first(["a", "b"], set()) == ["a", "b"]
