import os

import pytest

from devise_lib.errors import DivergedError, InputError
from devise_lib.storage.stores import StoreAccess
from devise_lib.training.ranks.rank_status import first_cause, record_outcome


@pytest.fixture
def play(tmp_path, monkeypatch):
    """A rank that returns, or raises what it is given."""

    def run(rank, outcome=None):
        monkeypatch.setenv("HOROVOD_RANK", str(rank))

        def function(plan):
            if isinstance(outcome, BaseException):
                raise outcome
            return plan + 1

        return record_outcome(function, 4, str(tmp_path), StoreAccess())

    return run


def test_a_rank_gives_what_the_function_gives_and_raises_what_it_raises(play, tmp_path):
    assert play(0) == 5
    with pytest.raises(ValueError, match="no data"):
        play(1, ValueError("no data"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.done", "1.error"]


def test_the_cause_is_the_error_that_is_no_echo_of_another(play, tmp_path):
    for rank, error in (
        (0, RuntimeError("Read error [127.0.0.1]:1: Connection reset by peer")),
        (1, ValueError("no data")),
        (2, KeyError("later")),
    ):
        with pytest.raises(type(error)):
            play(rank, error)
        os.utime(tmp_path / f"{rank}.error", (rank, rank))
    assert str(first_cause(str(tmp_path), 3)) == "rank 1 failed: ValueError: no data"


def test_what_the_user_can_mend_stays_so_behind_the_ranks(play, tmp_path):
    """The kind of fault: the user's own mistake that is shown as a fault of the program."""
    with pytest.raises(DivergedError):
        play(0, DivergedError("the training diverged;\nlower learning_rate"))
    found = first_cause(str(tmp_path), 1)
    assert type(found) is InputError
    assert str(found) == "rank 0 failed: the training diverged;\nlower learning_rate"


def test_a_rank_that_left_no_file_died_without_a_word(play, tmp_path):
    play(2)
    with pytest.raises(RuntimeError):
        play(0, RuntimeError("Horovod has been shut down"))
    assert str(first_cause(str(tmp_path), 3)).startswith(
        "rank 1 died without an error: it was killed"
    )


def test_where_all_speak_of_the_connection_the_first_is_told(play, tmp_path):
    for rank in (0, 1):
        with pytest.raises(RuntimeError):
            play(rank, RuntimeError("Horovod has been shut down"))
        os.utime(tmp_path / f"{rank}.error", (9 - rank, 9 - rank))
    assert (
        str(first_cause(str(tmp_path), 2))
        == "rank 1 failed: RuntimeError: Horovod has been shut down"
    )
    assert str(first_cause(f"{tmp_path}/none", 0)) == "a rank failed"


def test_ranks_that_share_a_store_alone_are_told_apart(monkeypatch, bucket, s3_files):
    folder = f"s3a://{bucket}/logs/ranks"

    def fail(_):
        raise ValueError("no data")

    for rank, function in ((0, str), (1, fail)):
        monkeypatch.setenv("HOROVOD_RANK", str(rank))
        if function is fail:
            with pytest.raises(ValueError, match="no data"):
                record_outcome(function, 4, folder, StoreAccess(s3_files.settings))
        else:
            record_outcome(function, 4, folder, StoreAccess(s3_files.settings))
    assert str(first_cause(folder, 2)) == "rank 1 failed: ValueError: no data"
    assert str(first_cause(folder, 3)) == "rank 1 failed: ValueError: no data"
