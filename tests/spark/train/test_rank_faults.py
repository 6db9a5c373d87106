"""Ranks that die: the run stops soon, says why, and goes on from where it was."""

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from devise_lib.spark.train.horovod_ranks import RanksLogs, run_ranks
from devise_lib.training.projection import train_projections
from devise_lib.training.ranks.checkpoint import Checkpoint
from tests.spark.train.test_training_on_ranks import SETTINGS, projection_plan

pytestmark = [pytest.mark.spark, pytest.mark.slow]

EPOCHS = 12
PAPERS = replace(SETTINGS.objective, negative_mining="one")  # which is drawn at random


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    made = projection_plan(folder)
    return replace(
        made,
        settings=[replace(SETTINGS, objective=PAPERS, dropout=0.3, epochs=EPOCHS)],
        trainings=made.trainings[:1],
        folder=str(folder / "checkpoints"),
        checkpoint_steps=4,
    )


def make_dying_job():
    """What each rank runs; a closure, since ranks cannot import this file."""

    def job(plan):
        import horovod.tensorflow as hvd

        def die_in_the_third_epoch():
            while not hvd.is_initialized():
                time.sleep(0.01)
            if hvd.rank() == 0:
                return
            while True:
                for path in Path(plan.folder).glob("*.npz"):
                    state, _ = Checkpoint(str(path), 1).load()
                    if len(state.losses) >= 2 and state.steps:
                        os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(0.002)

        threading.Thread(target=die_in_the_third_epoch, daemon=True).start()
        return train_projections(plan)

    return job


def make_twice_job():
    """Both plans, one after the other in the same ranks, which take long to start."""

    def job(plans):
        return [train_projections(plan) for plan in plans]

    return job


def test_after_a_rank_is_killed_training_goes_on_in_the_middle_of_the_epoch(spark, plan, tmp_path):
    log = tmp_path / "ranks.log"
    started = time.monotonic()
    with pytest.raises(RuntimeError, match=r"rank 1 died without an error: .* is in .*ranks\.log"):
        run_ranks(spark, make_dying_job(), plan, 2, RanksLogs.beside(log))
    assert time.monotonic() - started < 150, "no time-out was waited for"
    [path] = Path(plan.folder).glob("*.npz")
    before = Checkpoint(str(path), 1).load()[0].losses
    assert 2 <= len(before) < EPOCHS
    plans = [plan, replace(plan, folder="")]
    of_rank_0 = run_ranks(spark, make_twice_job(), plans, 2, RanksLogs.beside(log))[0]
    again, undisturbed = (each.trained["devise"] for each in of_rank_0)
    np.testing.assert_array_equal(again.losses[: len(before)], before)
    np.testing.assert_allclose(again.losses, undisturbed.losses, rtol=1e-5)
    [one], [two] = again.projection.layers, undisturbed.projection.layers
    np.testing.assert_allclose(one.matrix, two.matrix, rtol=1e-4, atol=1e-5)
