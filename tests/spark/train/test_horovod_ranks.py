import time

import pytest
from pydantic import ValidationError

from devise_lib.config.training import TrainDevise
from devise_lib.errors import InputError
from devise_lib.spark.train import horovod_ranks
from devise_lib.spark.train.horovod_ranks import (
    RanksLogs,
    checkpoint_folder,
    require_row_groups,
    run_ranks,
)

pytestmark = pytest.mark.spark


@pytest.mark.parametrize(
    "changes", [{"margin": 0.2}, {"seed": 1}, {"batch_size": 64}, {"seeds": 2}]
)
def test_another_configuration_has_checkpoints_of_its_own(tmp_path, changes):
    config = TrainDevise(work_dir=str(tmp_path))
    folder = checkpoint_folder(config, 3, "words", "backbone")
    assert folder == checkpoint_folder(config.model_copy(), 3, "words", "backbone")
    other = TrainDevise(work_dir=str(tmp_path), **changes)
    assert checkpoint_folder(other, 3, "words", "backbone") != folder
    for inputs in ((4, "words", "backbone"), (3, "others", "backbone"), (3, "words", "other")):
        assert checkpoint_folder(config, *inputs) != folder


@pytest.mark.slow
def test_a_rank_that_fails_stops_the_run_and_the_log_says_why(spark, tmp_path):
    def job(_):
        import horovod.tensorflow as hvd
        import tensorflow as tf

        from devise_lib.training.ranks.loop import start_rank

        rank, _ = start_rank(1, 0)
        hvd.allreduce(tf.constant(1.0), name="both are here")
        if rank == 1:
            raise ValueError("this rank has no data")
        return float(hvd.allreduce(tf.constant(1.0), name="one is missing"))

    log = tmp_path / "ranks.log"
    started = time.monotonic()
    with pytest.raises(
        RuntimeError,
        match=r"rank 1 failed: ValueError: this rank has no data; .* is in .*ranks\.log",
    ):
        run_ranks(spark, job, None, 2, RanksLogs.beside(log))
    assert time.monotonic() - started < 120
    assert "ValueError: this rank has no data" in log.read_text()
    assert spark.range(3).count() == 3, "the session still works"


@pytest.mark.slow
def test_ranks_on_hosts_are_started_as_horovodrun_does(spark, tmp_path):
    def job(failing):
        import sys

        import horovod.tensorflow as hvd
        import tensorflow as tf

        from devise_lib.training.ranks.loop import start_rank

        rank, size = start_rank(1, 0)
        sys.stdout.write(f"this is rank {rank}\n")
        if rank == failing:
            raise ValueError("this rank has no data")
        return rank, size, float(hvd.allreduce(tf.constant(float(rank)), op=hvd.Sum, name="all"))

    log = tmp_path / "ranks.log"
    found = run_ranks(spark, job, None, 2, RanksLogs.beside(log), "localhost:2")
    assert found == [(0, 2, 1.0), (1, 2, 1.0)]
    assert "this is rank 1" in log.read_text()
    with pytest.raises(RuntimeError, match=r"rank 1 failed: ValueError: this rank has no data; .*"):
        run_ranks(spark, job, 1, 2, RanksLogs.beside(log), "localhost:2")


def test_more_ranks_than_slots_on_hosts_are_refused_before_any_is_started(spark, tmp_path):
    with pytest.raises(InputError, match=r"ranks is 6, but the hosts one:2,two:3 have 5 slots"):
        run_ranks(spark, refuse, None, 6, RanksLogs.beside(tmp_path / "log"), "one:2,two:3")


@pytest.mark.parametrize("hosts", ["gpu1", "gpu1:0", "gpu1:2,", "gpu1:2 gpu2:2", "a:1;rm -r x:1"])
def test_hosts_have_slots(hosts):
    with pytest.raises(ValidationError, match="hosts"):
        TrainDevise(hosts=hosts)


def refuse(plan):
    raise AssertionError(f"a rank was started with {plan}")


def test_more_ranks_than_slots_are_refused_before_any_is_started(spark, tmp_path):
    with pytest.raises(InputError, match=r"ranks is 3, but Spark has 2 task slots.*lower ranks"):
        run_ranks(spark, refuse, None, 3, RanksLogs.beside(tmp_path / "log"))


def test_too_little_memory_is_refused_before_any_rank_is_started(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(horovod_ranks, "memory_available_bytes", lambda: 3 * 2**29)
    with pytest.raises(InputError, match=r"too little memory: 1\.5 GiB .* 2 ranks need 2\.0 GiB"):
        run_ranks(spark, refuse, None, 2, RanksLogs.beside(tmp_path / "log"))


def test_fewer_files_than_ranks_are_refused():
    require_row_groups(["a", "b"], 2, "features", "do this")
    with pytest.raises(
        InputError, match=r"features has 1 files .* 2 readers of all ranks.*: do this$"
    ):
        require_row_groups(["a"], 2, "features", "do this")
