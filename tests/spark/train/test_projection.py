import pytest

from devise_lib.config.training import TrainDevise
from devise_lib.errors import InputError
from devise_lib.spark.train.projection import readers_of, settings_to_try, softmax_of
from devise_lib.training.settings import Objective, Settings
from devise_lib.vision.networks.backbones import Backbone
from devise_lib.vision.networks.build import make_network

pytestmark = pytest.mark.spark


def test_one_value_of_each_makes_one_setting():
    config = TrainDevise(
        start="random",
        margin=0.1,
        dropout=0.0,
        learning_rate=0.01,
        negative_mining="one",
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
        l2_sp=[0.0, 2.0],
    )
    tried = settings_to_try(config)
    assert len(set(tried)) == len(tried) == 12
    pulls = {"softmax": {0.0, 2.0}, "random": {0.0}}  # to no start but the softmax's
    assert {(s.start, s.l2_sp) for s in tried} == {(k, v) for k in pulls for v in pulls[k]}
    assert {s.objective.margin for s in tried} == {0.1, 0.5}
    assert {(s.start, s.dropout) for s in tried} == {
        (start, dropout) for start in ("softmax", "random") for dropout in (0.0, 0.5)
    }


def test_nothing_starts_from_a_softmax_that_is_not_linear_in_the_features():
    network = make_network("cifar_resnet_8", 2, 32)
    for layer, classes in (("pooled", ["a", "b"]), ("map", ["a", "b"]), ("stage3_block1_bn2", [])):
        backbone = Backbone("cifar_resnet_8", network, ["a", "b"], 32, layer)
        assert softmax_of(backbone, TrainDevise(start="random")).classes == classes
        if classes:
            assert softmax_of(backbone, TrainDevise()).classes == classes
        else:
            with pytest.raises(InputError, match=r"\('stage3_block1_bn2'\).*start = \"random\""):
                softmax_of(backbone, TrainDevise())


@pytest.mark.parametrize(
    ("given", "files", "readers"),
    [
        ({}, 4, 4),
        ({}, 3, 2),  # each reader wants a file
        ({"batch_size": 6}, 9, 2),  # and as large a share of each batch
        ({"readers": 6, "batch_size": 60}, 4, 6),
        ({"ranks": 3, "batch_size": 60}, 99, 6),
    ],
)
def test_two_readers_serve_a_rank_where_they_can(given, files, readers):
    assert readers_of(TrainDevise(**given), files) == readers
