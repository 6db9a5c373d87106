import json
from pathlib import Path
from shutil import rmtree

import keras
import mlflow
import numpy as np
import pytest

from devise_lib import model_store, tracking
from devise_lib.config.reporting import Evaluate
from devise_lib.config.training import TrainDevise
from devise_lib.errors import InputError
from devise_lib.model_store import UnusableModelError

pytestmark = pytest.mark.slow  # MLflow makes a store, and loads TensorFlow


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> TrainDevise:
    return TrainDevise(work_dir=str(tmp_path_factory.mktemp("tracking") / "work"), epochs=7)


@pytest.fixture(autouse=True)
def connected(config):
    tracking.connect(config)


def make_model(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])


def write_extras(folder: Path) -> None:
    (folder / "about.json").write_text(json.dumps({"made": "here"}))


def register(config, name, seed) -> tracking.RegisteredModel:
    with tracking.job_run(config):
        example = np.zeros((1, 3), dtype=np.float32)
        model = make_model(seed)
        tags = {"seed": str(seed)}
        return model_store.register_keras(model, name, example, ["numpy"], write_extras, tags)


def test_by_default_runs_are_in_an_sqlite_file_of_the_work_folder(config):
    assert (Path(config.work_dir) / "mlflow.db").exists()
    assert mlflow.get_tracking_uri() == f"sqlite:///{config.work_dir}/mlflow.db"


def test_a_work_folder_of_any_name_holds_the_store_and_its_files(config, tmp_path):
    """A path is written as an address demands it: its signs have no meaning there."""
    name = "q?x 50%41 #1;a&b=c+ [10:30] {é}'\""
    folder = tmp_path / name / "w"
    here = config.model_copy(update={"work_dir": str(folder)})
    try:
        tracking.connect(here)
        with tracking.job_run(here) as run_id:
            tracking.log_plots({"losses.svg": b"<svg/>"})
        assert tracking.fetch_plots(run_id) == {"losses.svg": b"<svg/>"}
        assert {path.name for path in folder.iterdir()} == {"mlflow.db", "mlartifacts"}
        assert [path.name for path in tmp_path.iterdir()] == [name]
    finally:
        tracking.connect(config)


@pytest.mark.parametrize("error", [InputError("no photo"), SystemExit(1), KeyboardInterrupt()])
def test_the_run_of_a_pipeline_that_fails_is_a_failed_one(error):
    """What holds others ends as they end: not before them, and not better."""
    parents = []

    def fail():
        with tracking.pipeline_run(Path("c.toml")) as parent:
            parents.append(parent)
            assert mlflow.get_run(parent).info.status == "RUNNING"
            raise error

    with pytest.raises(type(error)):
        fail()
    assert mlflow.get_run(parents[0]).info.status == "FAILED"


def test_a_job_has_a_run_with_its_configuration_in_that_of_the_pipeline(config):
    with tracking.pipeline_run(Path("conf/some.toml")) as parent:
        assert tracking.current_run_id() == ""
        check_job_run(config, parent)
    assert mlflow.get_run(parent).info.status == "FINISHED"
    assert mlflow.get_run(parent).data.tags["config"] == "conf/some.toml"


def check_job_run(config, parent):
    with tracking.job_run(config, parent) as run_id:
        assert tracking.current_run_id() == run_id
        tracking.log_params({"ranks_found": 2})
        for epoch, loss in enumerate((0.5, 0.25)):
            tracking.log_metrics({"loss": loss}, step=epoch)
    assert tracking.current_run_id() == ""
    run = mlflow.get_run(run_id)
    assert (run.info.run_name, run.info.status) == ("train_devise", "FINISHED")
    assert run.data.tags["mlflow.parentRunId"] == parent
    assert run.data.params["epochs"] == "7"
    assert run.data.params["ranks_found"] == "2"
    assert run.data.metrics["loss"] == 0.25


def test_a_job_that_fails_has_a_failed_run(config):
    with pytest.raises(KeyError), tracking.job_run(config) as run_id:
        raise KeyError("ours")
    assert mlflow.get_run(run_id).info.status == "FAILED"
    assert tracking.current_run_id() == ""


def test_a_run_does_not_hold_the_tracking_uri_which_may_hold_a_password(config):
    secret = Evaluate(work_dir=config.work_dir, tracking_uri="postgresql://me:pa55@host/db")
    with tracking.job_run(secret) as run_id:
        pass
    assert not any("pa55" in value for value in mlflow.get_run(run_id).data.params.values())


def test_a_model_is_the_champion_when_it_is_made_so_and_others_are_found_by_number(
    config, tmp_path
):
    assert tracking.find_champion("pair") is None
    models = [register(config, "pair", 1)]
    assert tracking.find_champion("pair") is None, "a model without the alias"
    tracking.promote(models[0])
    models.append(register(config, "pair", 2))
    assert tracking.find_champion("pair") == models[0]
    tracking.promote(models[1])
    first, champion = (tracking.find_registered("pair", key) for key in ("1", "champion"))
    assert [first, champion] == models
    assert tracking.find_champion("pair") == champion
    assert first.model_id.startswith("pair-v1")
    assert champion.model_id.startswith("pair-v2")
    tags = mlflow.MlflowClient().get_model_version("pair", "2").tags
    assert tags["seed"] == "2"
    for model, seed in ((first, 1), (champion, 2)):
        path = tmp_path / f"{seed}.keras"
        path.write_bytes(model_store.fetch_network(model))
        [kernel, _] = keras.models.load_model(path, safe_mode=True).get_weights()
        assert (kernel == make_model(seed).get_weights()[0]).all()
        read = model_store.fetch_extras(model, lambda folder: (folder / "about.json").read_text())
        assert json.loads(read) == {"made": "here"}


@pytest.mark.parametrize("step", ["log_artifacts", "register_model"])
def test_a_model_is_registered_last_when_all_of_its_parts_are_there(config, monkeypatch, step):
    """The kind of fault: a result that is announced before its parts are there.

    The run is ended before it stores the files beside the model, and before it registers it. The
    registry had a version before, which no job could read.
    """

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tracking.mlflow, step, die)
        with pytest.raises(KeyboardInterrupt):
            register(config, f"killed before {step}", 1)
    assert mlflow.MlflowClient().search_model_versions(f"name = 'killed before {step}'") == []


def test_fetching_leaves_nothing_behind(config, tmp_path, monkeypatch):
    tracking.promote(register(config, "tidy", 1))
    monkeypatch.setattr(model_store.tempfile, "tempdir", str(tmp_path))
    model = tracking.find_registered("tidy", "champion")
    model_store.fetch_network(model)
    model_store.fetch_extras(model, lambda folder: sorted(folder.iterdir()))
    assert list(tmp_path.iterdir()) == []


def test_files_that_the_store_has_no_more_are_told(config):
    """The kind of fault: what a user can mend, told by a stack trace.

    A champion without its files ended extract_features, and train_devise after the training.
    """
    model = register(config, "emptied", 1)

    def spoil(_):
        raise InputError("damaged")

    with pytest.raises(UnusableModelError, match=rf"{model.model_id} cannot be used \(damaged\)"):
        model_store.fetch_extras(model, spoil)
    rmtree(Path(config.work_dir) / "mlartifacts")
    for fetch in (
        model_store.fetch_network,
        model_store.fetch_dimension,
        lambda of: model_store.fetch_extras(of, lambda folder: folder),
    ):
        with pytest.raises(UnusableModelError, match=f"of {model.model_id} cannot be used"):
            fetch(model)


@pytest.mark.parametrize("key", ["champion", "3", "best"])
def test_a_model_that_is_not_there_is_told(key):
    with pytest.raises(InputError, match=f"no model 'none' with .* '{key}': run train_devise"):
        tracking.find_registered("none", key)


def test_a_store_that_does_not_answer_is_told_without_its_password(config, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri = "http://me:pa55@localhost:9"  # the port of discard, where nobody listens
    try:
        with pytest.raises(InputError, match="'localhost:9' does not answer") as raised:
            tracking.connect(config.model_copy(update={"tracking_uri": uri}))
        assert "pa55" not in str(raised.value)
    finally:
        tracking.connect(config)


def test_a_curve_has_a_point_an_epoch_however_many_there_are(config, monkeypatch):
    monkeypatch.setattr(tracking, "POINTS_AT_ONCE", 4)
    with tracking.job_run(config) as run_id:
        tracking.log_curve("loss", [n / 8 for n in range(10)], first=1)
        tracking.log_curve("score", [0.5], first=0)
        tracking.log_curve("nothing", [], first=0)
    client = mlflow.MlflowClient()
    loss, score, nothing = (
        [(point.step, point.value) for point in client.get_metric_history(run_id, name)]
        for name in ("loss", "score", "nothing")
    )
    assert sorted(loss) == [(n + 1, n / 8) for n in range(10)]
    assert (score, nothing) == ([(0, 0.5)], [])


def test_plots_come_back_by_their_names_and_a_run_without_any_has_none(config):
    plots = {"losses.svg": "<svg>\u03bc</svg>".encode(), "scores.svg": b"<svg/>"}
    with tracking.job_run(config) as run_id:
        tracking.log_plots(plots)
    assert tracking.fetch_plots(run_id) == plots
    with tracking.job_run(config) as bare:
        tracking.log_metrics({"loss": 0.5})
    assert tracking.fetch_plots(bare) == {}
    assert tracking.fetch_plots("a run that is gone") == {}


def test_a_table_is_kept_with_its_run(config):
    columns = {"method": ["devise", "ridge"], "k": [1, None], "value": [0.5, 0.25]}
    with tracking.job_run(config) as run_id:
        tracking.log_table("zero_shot.json", columns)
    found = mlflow.load_table("tables/zero_shot.json", run_ids=[run_id])
    assert found["method"].tolist() == columns["method"]
    assert found["value"].tolist() == columns["value"]
