import pytest

from devise_lib.errors import InputError
from devise_lib.training.ranks.devices import choose_gpu


@pytest.mark.parametrize("assigned", [[], ["0"]])
def test_without_a_gpu_a_rank_computes_on_the_processor(assigned):
    assert choose_gpu(assigned, 0, 1, 2) is None


def test_ranks_of_a_machine_take_a_gpu_each():
    assert [choose_gpu([], 4, rank, 4) for rank in range(4)] == [0, 1, 2, 3]


def test_a_rank_takes_the_gpu_that_spark_gave_its_task():
    """Spark deals addresses in any order, and other jobs may have the first."""
    assert [choose_gpu([address], 4, rank, 2) for rank, address in enumerate("31")] == [3, 1]


def test_a_process_that_sees_only_its_own_gpu_takes_that():
    assert choose_gpu(["3"], 1, 0, 1) == 0


@pytest.mark.parametrize(
    ("assigned", "gpus", "local_size", "message"),
    [
        ([], 1, 2, "2 ranks on a machine with 1 GPU, and each .*: lower ranks"),
        ([], 2, 3, "3 ranks on a machine with 2 GPUs"),
        (["5"], 4, 1, "gave this rank GPU 5, but the machine has 4.*discoveryScript"),
    ],
)
def test_more_ranks_than_gpus_are_refused(assigned, gpus, local_size, message):
    with pytest.raises(InputError, match=message):
        choose_gpu(assigned, gpus, 0, local_size)


def test_a_rank_that_starts_makes_only_its_gpu_visible(monkeypatch):
    from devise_lib.training.ranks import loop

    seen = []
    gpus = ["gpu 0", "gpu 1", "gpu 2"]
    monkeypatch.setattr(loop.hvd, "init", lambda: None)
    for name, value in (("rank", 4), ("size", 6), ("local_rank", 1), ("local_size", 3)):
        monkeypatch.setattr(loop.hvd, name, lambda value=value: value)
    config = loop.tf.config
    monkeypatch.setattr(config.threading, "set_intra_op_parallelism_threads", lambda _: None)
    monkeypatch.setattr(config.threading, "set_inter_op_parallelism_threads", lambda _: None)
    monkeypatch.setattr(config, "list_physical_devices", lambda _: gpus)
    monkeypatch.setattr(config, "set_visible_devices", lambda gpu, kind: seen.append((gpu, kind)))
    monkeypatch.setattr(loop, "get_available_devices", lambda: ["2"])
    assert loop.start_rank(1, 0) == (4, 6)
    monkeypatch.setattr(loop, "get_available_devices", lambda: [])
    loop.start_rank(1, 0)
    assert seen == [("gpu 2", "GPU"), ("gpu 1", "GPU")]
