import pytest

from devise_lib.config import TrainDevise
from devise_lib.spark.devise import checkpoint_folder, settings_to_try
from devise_lib.training.settings import Objective, Settings

pytestmark = pytest.mark.spark


def test_one_value_of_each_makes_one_setting():
    config = TrainDevise(
        start="random",
        margin=0.1,
        dropout=0.0,
        learning_rate=0.01,
        violators="one",
        normalize=False,
        epochs=5,
        batch_size=64,
    )
    papers = Objective("rank", 0.1, "one", False)
    assert settings_to_try(config) == [
        Settings(papers, learning_rate=0.01, start="random", epochs=5, batch_size=64)
    ]


def test_several_values_make_every_combination():
    config = TrainDevise(
        start=["softmax", "random"],
        margin=[0.1, 0.5],
        dropout=[0.0, 0.5],
        learning_rate=[1e-3],
        pull=[0.0, 2.0],
    )
    tried = settings_to_try(config)
    assert len(set(tried)) == len(tried) == 12
    pulls = {"softmax": {0.0, 2.0}, "random": {0.0}}  # to no start but the softmax's
    assert {(s.start, s.pull) for s in tried} == {(k, v) for k in pulls for v in pulls[k]}
    assert {s.objective.margin for s in tried} == {0.1, 0.5}
    assert {(s.start, s.dropout) for s in tried} == {
        (start, dropout) for start in ("softmax", "random") for dropout in (0.0, 0.5)
    }


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
