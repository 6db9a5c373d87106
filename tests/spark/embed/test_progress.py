import time

import pytest

from devise_lib.numerics.throughput import StageTimes, Throughput
from devise_lib.spark.embed.progress import Progress, count_cores, forecast, rates
from tests.conftest import SESSION, run_program

DONE = Throughput(StageTimes(900, 20.0, 9.0, 45.0, 90.0, 18.0), 100.0, 2)


def test_the_end_of_a_run_names_the_bottleneck_and_the_price():
    assert rates(DONE) == (
        "10.0 photos/s on 2 cores; each stage alone would do read 200, decode 40, infer 20, write "
        "100 (the bottleneck: infer)"
    )
    assert forecast(DONE, 36_000_000, 0.05) == (
        "36,000,000 photos: 1,000.0 hours, 2,000 core-hours, 100.00 at 0.05 per core-hour"
    )


JAVA_OPTIONS = SESSION["driver.extraJavaOptions"]
SETTINGS = {
    "master": "local-cluster[1,1,1200]",
    "default.parallelism": "7",
    "driver.extraJavaOptions": JAVA_OPTIONS,
    "executor.extraJavaOptions": JAVA_OPTIONS,
}
CORES = f"""
from devise_lib.spark.embed.progress import count_cores
from devise_lib.spark.platform.session import start_session

spark = start_session("cores", {SETTINGS})
spark.sparkContext.parallelize([1]).count()
print("cores:", count_cores(spark.sparkContext))
"""


@pytest.mark.spark
def test_cores_are_those_of_executors_whatever_the_parallelism(spark):
    assert count_cores(spark.sparkContext) == 2
    done = run_program("-c", CORES)
    assert "cores: 1\n" in done.stdout, done.stderr


@pytest.mark.spark
def test_the_line_tells_what_tasks_have_reported_and_comes_every_few_seconds(spark, capsys):
    with Progress(spark.sparkContext, "embed_photos", 0.02, total=40) as progress:
        assert "0 of 40 photos" in progress.line()
        times = progress.times

        def report(numbers):
            for number in numbers:
                times.add(StageTimes(photos=number, infer_s=1.0))

        spark.sparkContext.parallelize([10, 20], 2).foreachPartition(report)
        deadline = time.monotonic() + 30
        while "30 of 40" not in capsys.readouterr().out and time.monotonic() < deadline:
            time.sleep(0.02)
        assert progress.line().startswith("embed_photos  30 of 40 photos, ")
        assert progress.line().endswith("left")
        progress.end_batch(1.5)
        done = progress.throughput()
        assert (done.times.photos, done.times.infer_s, done.times.write_s) == (30, 2.0, 3.0)
        spark.sparkContext.parallelize([5], 1).foreachPartition(report)
        progress.end_batch(0.5)
        warm = progress.throughput()  # the first batch does not count where there are more
        assert (warm.times.photos, warm.times.infer_s, warm.times.write_s) == (5, 1.0, 1.0)
        assert 0 < warm.wall_s < done.wall_s + 30
        assert "35 of 40" in progress.line()
        progress.total = 0
        assert progress.line() == "embed_photos  35 photos"  # a rate would count the waiting
    assert time.monotonic() < deadline
