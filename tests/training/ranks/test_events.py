import pytest

from devise_lib.training.ranks.events import EventFiles
from tests.training.event_files import read_scalars


def growing(*losses: float, already: int = 0):
    """Losses as the loop yields them: one list that grows."""
    curve = list(losses[:already])
    yield curve
    for loss in losses[already:]:
        curve.append(loss)
        yield curve


def test_a_training_is_followed_epoch_by_epoch_and_its_losses_pass_unchanged(tmp_path):
    curves = EventFiles(str(tmp_path / "job")).curves("devise-0")
    seen = []
    for losses in curves.follow(growing(0.5, 0.25)):
        seen.append(list(losses))
        written = read_scalars(tmp_path / "job" / "devise-0")
        assert written.get("loss", []) == list(enumerate(losses, 1)), "not only at the end"
    assert seen == [[], [0.5], [0.5, 0.25]]


def test_what_a_killed_training_had_is_written_again_with_what_follows(tmp_path):
    curves = EventFiles(str(tmp_path)).curves("a")
    list(curves.follow(growing(3.0, 2.0, 1.0, already=2)))
    assert read_scalars(tmp_path / "a")["loss"] == [(1, 3.0), (2, 2.0), (3, 1.0)]


def test_a_point_has_a_value_for_each_curve(tmp_path):
    curves = EventFiles(str(tmp_path)).curves("trial 0")
    curves.add(0, {"validation_unseen_accuracy": 0.5})
    curves.add(1, {"validation_unseen_accuracy": 0.75, "loss": 0.1})
    found = read_scalars(tmp_path / "trial 0")
    assert found["validation_unseen_accuracy"] == [(0, 0.5), (1, 0.75)]
    assert found["loss"] == [(1, pytest.approx(0.1))]


def test_the_next_run_of_a_job_begins_with_an_empty_folder(tmp_path):
    for names in (("trial 0", "trial 1"), ("trial 0",)):
        files = EventFiles(str(tmp_path / "job"))
        for name in names:
            files.curves(name).add(1, {"loss": float(len(names))})
    assert [path.name for path in (tmp_path / "job").iterdir()] == ["trial 0"]
    assert read_scalars(tmp_path / "job" / "trial 0") == {"loss": [(1, 1.0)]}


def test_without_a_folder_nothing_is_written_and_losses_pass_all_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").touch()
    curves = EventFiles("").curves("devise-0")
    assert list(curves.follow(growing(0.5)))[-1] == [0.5]
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_curves_of_a_store_can_be_followed_while_the_training_runs(tmp_path, bucket, s3_files):
    folder = f"s3a://{bucket}/logs/job"
    s3_files.write(f"{folder}/devise-0/of an earlier run", b"x")
    epochs = EventFiles(folder).curves("devise-0").follow(growing(0.5, 0.25))
    assert next(epochs) == []
    for number, _ in enumerate(epochs, start=1):
        copy = tmp_path / str(number)
        copy.mkdir()
        for status in s3_files.below(folder):
            s3_files.download(status.path, copy / status.name)
        assert read_scalars(copy).get("loss", []) == [(1, 0.5), (2, 0.25)][:number]
