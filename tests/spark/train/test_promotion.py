from dataclasses import replace
from itertools import cycle

import mlflow
import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from devise_lib.numerics.candidates import CandidateSet, SoftmaxLayer
from devise_lib.numerics.moments import ClassMoments
from devise_lib.numerics.validation import Score, Validation, score_projections
from devise_lib.spark.features.folds import Fold, label_scores
from devise_lib.spark.train import promotion
from devise_lib.spark.train.promotion import compare
from devise_lib.tracking import RegisteredModel
from devise_lib.training.bundle import ProjectionBundle, TrainedProjection
from tests.spark.evaluate.zero_shot_world import CONTROLS, RNG, D, draw_map, units

pytestmark = pytest.mark.spark

MAPS = [draw_map() for _ in range(4)]
NAMES = [f"label {n}" for n in range(10)]
KNOWN = CandidateSet(NAMES, np.ones(10, dtype=bool), units(10), units(10))
PHOTOS = RNG.standard_normal((200, D)).astype(np.float32)


def validation(seed: int) -> Validation:
    rng = np.random.default_rng(seed)
    held_out = rng.permutation(len(KNOWN.labels))[:5]
    seen = np.isin(np.arange(len(KNOWN.labels)), held_out, invert=True)
    labels = CandidateSet(KNOWN.labels, seen, KNOWN.vectors, KNOWN.control_vectors)
    return Validation(PHOTOS, rng.integers(0, len(seen), 200), labels)


MOMENTS = ClassMoments.of(PHOTOS, ["ant"] * 200)
FOLDS = [Fold(number, None, MOMENTS, validation(number)) for number in (0, 3)]


def score(*maps) -> Score:
    return score_projections([fold.validation for fold in FOLDS], maps)


def bundle(one, two, **changes) -> ProjectionBundle:
    """A model whose projections of the two folds are these."""
    trained = [
        TrainedProjection("devise", 0, None, MAPS[0]),
        TrainedProjection("devise", 0, 0, one),
        TrainedProjection("devise", 0, 3, two),
    ]
    layer = SoftmaxLayer(np.zeros((D, 1), np.float32), np.zeros(1, np.float32), ["cat"])
    found = score(one, two)
    made = ProjectionBundle(
        trained, CONTROLS, layer, "backbone", "words", "5 of seed 0", found.value
    )
    return replace(made, **{"label_scores": label_scores(FOLDS, found), **changes})


def scored(new: ProjectionBundle, *leads: float) -> dict[int, dict[str, float | None]]:
    """Scores of a model that is behind the new one by these, label by label and by turns."""
    lead = cycle(leads)
    return {
        fold: {x: None if value is None else value - next(lead) for x, value in of.items()}
        for fold, of in new.label_scores.items()
    }


@pytest.fixture
def champion_is(monkeypatch, tmp_path):
    """Registers a bundle as the promotion, in a folder in place of MLflow's store."""

    def put(made: ProjectionBundle | None) -> None:
        model = RegisteredModel("devise", "7", "0123456789") if made else None
        if made:
            made.save(tmp_path)
        monkeypatch.setattr(promotion.tracking, "find_champion", lambda _: model)
        monkeypatch.setattr(mlflow.artifacts, "download_artifacts", lambda **_: str(tmp_path))

    return put


def test_the_clearly_better_of_two_on_labels_held_out_wins(champion_is):
    worse = bundle(*MAPS[:2])
    better = replace(worse, label_scores=scored(worse, -0.2, -0.1), backbone_id="another")
    champion_is(worse)
    found = compare(better, FOLDS, "devise")
    assert found.wins
    assert found.why == (
        "+0.1500 (bound 0.0306) on 10 labels held out, +0.1500 (bound 0.0631) on 2 folds, beside "
        "devise-v7-012345"
    )
    champion_is(better)
    assert not compare(worse, FOLDS, "devise").wins


@pytest.mark.parametrize(
    ("leads", "wins"), [((0.2, 0.1), True), ((0.2, -0.1), False), ((0.0,), False), ((-0.1,), False)]
)
def test_a_lead_that_may_be_chance_makes_no_champion(champion_is, leads, wins):
    """The kind of fault: a choice by a difference that is chance.

    With leads of 0.2 and -0.1 by turns the mean of ten labels is 0.05, and its bound 0.09.
    """
    new = bundle(*MAPS[:2])
    champion_is(bundle(*MAPS[2:], backbone_id="another", label_scores=scored(new, *leads)))
    assert compare(new, FOLDS, "devise").wins == wins


def test_the_same_model_again_does_not_win(champion_is):
    champion_is(bundle(*MAPS[:2]))
    assert not compare(bundle(*MAPS[:2]), FOLDS, "devise").wins


def test_a_champion_on_the_same_backbone_is_asked_anew(champion_is):
    """The score that it was registered with is of the photos of that day."""
    new = bundle(*MAPS[:2])
    champion_is(bundle(*MAPS[:2], label_scores=scored(new, 1.0)))
    assert not compare(new, FOLDS, "devise").wins


def test_a_champion_with_other_labels_held_out_stays(champion_is):
    """The kind of fault: scores of different labels compared as if they were of the same.

    Folds that were dealt otherwise, and a fold that had labels to choose from that are gone. Both
    champions lost before, since the new score is the greater one.
    """
    new = bundle(*MAPS[:2])
    behind = scored(new, 0.5)
    champion_is(bundle(*MAPS[:2], folds_id="5 of seed 1", label_scores=behind, score=0.0))
    found = compare(new, FOLDS, "devise")
    assert not found.wins
    assert "'5 of seed 0', but for devise-v7-012345 as '5 of seed 1': not compared; to" in found.why
    more = {fold: {**of, "gone": 0.0} for fold, of in behind.items()}
    champion_is(bundle(*MAPS[2:], backbone_id="another", label_scores=more, score=0.0))
    found = compare(new, FOLDS, "devise")
    assert not found.wins
    assert "score of devise-v7-012345 among the same labels: not compared; to take" in found.why


def test_labels_that_have_come_since_make_the_task_of_the_new_model_harder(champion_is):
    new = bundle(*MAPS[:2])
    fewer = {fold: dict(list(of.items())[:4]) for fold, of in scored(new, 0.5).items()}
    champion_is(bundle(*MAPS[2:], backbone_id="another", label_scores=fewer))
    found = compare(new, FOLDS, "devise")
    assert found.wins
    assert "on 8 labels" in found.why


def test_a_champion_that_was_fine_tuned_is_beaten_in_its_own_fold_only(champion_is):
    new = bundle(*MAPS[:2])
    number = FOLDS[1].number
    for lead, wins in ((0.01, True), (-0.01, False)):
        own = {number: scored(new, lead)[number]}
        champion_is(bundle(*MAPS[2:], trained=new.trained[:1], backbone_id="t", label_scores=own))
        found = compare(new, FOLDS, "devise")
        assert found.wins == wins
        assert "on 5 labels held out in one fold" in found.why


def test_what_cannot_be_compared_is_no_rival(champion_is):
    new = bundle(*MAPS[:2])
    champion_is(None)
    assert compare(new, FOLDS, "devise").wins
    for changes, why in (
        ({"words_id": "others"}, "other word vectors"),
        ({"score": None, "folds_id": "", "label_scores": {}}, "without folds"),
    ):
        champion_is(bundle(*MAPS[2:], **changes))
        found = compare(new, FOLDS, "devise")
        assert found.wins
        assert why in found.why


def test_a_model_that_was_not_scored_beats_none_that_was(champion_is):
    unscored = bundle(*MAPS[:2], score=None, folds_id="", label_scores={})
    champion_is(bundle(*MAPS[2:]))
    found = compare(unscored, [], "devise")
    assert not found.wins
    assert "give validation_folds" in found.why
    champion_is(unscored)
    assert compare(unscored, [], "devise").wins


def test_a_champion_of_an_older_form_is_no_rival(champion_is, tmp_path):
    champion_is(bundle(*MAPS[:2]))
    path = tmp_path / "projection.json"
    path.write_text(path.read_text().replace('"form": 4', '"form": 3'))
    found = compare(bundle(*MAPS[:2]), FOLDS, "devise")
    assert found.wins
    assert "cannot be used" in found.why


@pytest.mark.parametrize(
    ("error", "listed", "wins"),
    [
        (OSError(28, "No space left on device"), ["projection.json"], False),
        (ConnectionError("refused"), ConnectionError("refused"), False),
        (MlflowException("Read timed out"), MlflowException("Read timed out"), False),
        (MlflowException("No such artifact"), [], True),
        (
            MlflowException("no such run", RESOURCE_DOES_NOT_EXIST),
            MlflowException("no such run", RESOURCE_DOES_NOT_EXIST),
            True,
        ),
    ],
    ids=["full disk", "no connection", "too slow", "no files", "no run"],
)
def test_a_champion_whose_files_the_store_does_not_give_now_stays(
    champion_is, monkeypatch, error, listed, wins
):
    """Kind of fault: a failure that passes is taken for an answer.

    A store that was out of reach for a moment made any new model the promotion.
    """

    def give(what):
        if isinstance(what, Exception):
            raise what
        return what

    champion_is(bundle(*MAPS[:2]))
    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", lambda **_: give(error))
    monkeypatch.setattr(mlflow.artifacts, "list_artifacts", lambda **_: give(listed))
    found = compare(bundle(*MAPS[:2]), FOLDS, "devise")
    assert found.wins is wins
    assert ("cannot be used" in found.why) is wins
    assert (promotion.BY_HAND in found.why) is not wins
