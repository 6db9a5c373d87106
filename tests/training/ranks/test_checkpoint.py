import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from devise_lib.training.ranks.checkpoint import Checkpoint, State

VARIABLES = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7, dtype=np.int64)]
STATE = State([0.5, 0.25], 3, 1.125)


def test_what_was_kept_comes_back(tmp_path):
    checkpoint = Checkpoint(f"{tmp_path}/run/checkpoint.npz", every=10)
    assert checkpoint.load() is None
    checkpoint.save(State([], 1, 0.0), [np.zeros(2)])
    checkpoint.save(STATE, VARIABLES)
    state, variables = checkpoint.load()
    assert state == STATE
    for kept, wanted in zip(variables, VARIABLES, strict=True):
        assert kept.dtype == wanted.dtype
        np.testing.assert_array_equal(kept, wanted)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["checkpoint.npz"]


SAVES = """
import sys
import numpy as np
from devise_lib.training.ranks.checkpoint import Checkpoint, State
checkpoint = Checkpoint(sys.argv[1], 1)
print("ready", flush=True)
for step in range(10**9):
    checkpoint.save(State([], step, float(step)), [np.full(200_000, step)])
"""


@pytest.mark.slow
def test_a_kill_while_it_is_written_leaves_a_whole_one(tmp_path):
    path = tmp_path / "checkpoint.npz"
    steps = []
    for delay in (0.11, 0.07, 0.13, 0.09, 0.05):
        command = [sys.executable, "-c", SAVES, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            while not path.exists():
                time.sleep(0.01)
            time.sleep(delay)
            os.kill(process.pid, signal.SIGKILL)
        state, [values] = Checkpoint(str(path), 1).load()
        assert (values == state.steps).all()
        steps.append(state.steps)
    assert max(steps) > 0


def test_a_checkpoint_on_a_store_comes_back(bucket, s3_files):  # noqa: ARG001
    checkpoint = Checkpoint(f"s3a://{bucket}/run/checkpoint.npz", every=10)
    assert checkpoint.load() is None
    checkpoint.save(State([], 1, 0.0), [np.zeros(2)])
    checkpoint.save(STATE, VARIABLES)
    state, variables = checkpoint.load()
    assert state == STATE
    assert variables[0].tolist() == VARIABLES[0].tolist()
