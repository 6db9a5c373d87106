from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from devise_lib.numerics.candidates import ByWords, CandidateSet, SoftmaxLayer
from devise_lib.numerics.linear import Compatibility
from devise_lib.numerics.moments import ClassMoments
from devise_lib.numerics.validation import Score, Validation, score_projections
from devise_lib.spark import champion
from devise_lib.spark.champion import compare
from devise_lib.spark.folds import Fold
from devise_lib.tracking import RegisteredModel
from devise_lib.training.bundle import ProjectionBundle, TrainedProjection
from tests.spark.zero_shot_world import CONTROLS, KNOWN, RNG, D, draw_map

pytestmark = pytest.mark.spark

MAPS = [draw_map() for _ in range(4)]
PHOTOS = RNG.standard_normal((200, D)).astype(np.float32)


def validation(seed: int) -> Validation:
    rng = np.random.default_rng(seed)
    held_out = rng.permutation(len(KNOWN.labels))[:3]
    seen = np.isin(np.arange(len(KNOWN.labels)), held_out, invert=True)
    labels = CandidateSet(KNOWN.labels, seen, KNOWN.vectors, KNOWN.control_vectors)
    return Validation(PHOTOS, rng.integers(0, len(seen), 200), labels)


MOMENTS = ClassMoments.of(PHOTOS, ["ant"] * 200)
FOLDS = [Fold(number, None, MOMENTS, validation(number)) for number in (0, 3)]


def score(*maps) -> float:
    trials = [ByWords(Compatibility(each)) for each in maps]
    pairs = zip(FOLDS, trials, strict=True)
    return Score.over([fold.validation.ask(trial) for fold, trial in pairs]).value


def bundle(one, two, **changes) -> ProjectionBundle:
    """A model whose projections of the two folds are these."""
    trained = [
        TrainedProjection("devise", 0, None, MAPS[0]),
        TrainedProjection("devise", 0, 0, one),
        TrainedProjection("devise", 0, 3, two),
    ]
    layer = SoftmaxLayer(np.zeros((D, 1), np.float32), np.zeros(1, np.float32), ["cat"])
    made = ProjectionBundle(
        trained, CONTROLS, layer, "backbone", "words", "5 of seed 0", score(one, two)
    )
    return replace(made, **changes)


@pytest.fixture
def champion_is(monkeypatch, tmp_path):
    """Registers a bundle as the champion, in a folder in place of MLflow's store."""

    def put(made: ProjectionBundle | None) -> None:
        model = RegisteredModel("devise", "7", "0123456789") if made else None
        if made:
            made.save(tmp_path)
        monkeypatch.setattr(champion.tracking, "find_champion", lambda _: model)
        monkeypatch.setattr(champion.tracking, "fetch_extras", lambda _, read: read(Path(tmp_path)))

    return put


def test_the_better_of_two_on_labels_held_out_wins(champion_is):
    maps = sorted((MAPS[:2], MAPS[2:]), key=lambda pair: score(*pair))
    worse, better = (bundle(*pair) for pair in maps)
    assert worse.score < better.score
    champion_is(worse)
    found = compare(better, FOLDS, "devise")
    assert (found.wins, found.score) == (True, pytest.approx(worse.score))
    champion_is(better)
    found = compare(worse, FOLDS, "devise")
    assert (found.wins, found.score) == (False, pytest.approx(better.score))
    assert found.why.startswith(f"{worse.score:.4f} on labels held out, devise-v7-012345 ")


def test_the_same_model_again_does_not_win(champion_is):
    champion_is(bundle(*MAPS[:2]))
    assert not compare(bundle(*MAPS[:2]), FOLDS, "devise").wins


def test_a_champion_on_the_same_backbone_is_asked_anew(champion_is):
    """The score that it was registered with is of the photos of that day."""
    champion_is(bundle(*MAPS[:2], score=0.0))
    assert not compare(bundle(*MAPS[:2]), FOLDS, "devise").wins


def test_a_champion_on_another_backbone_counts_by_the_score_that_it_had(champion_is):
    new = bundle(*MAPS[:2])
    for old, wins in ((new.score - 0.01, True), (new.score + 0.01, False)):
        champion_is(bundle(*MAPS[2:], backbone_id="another", score=old))
        assert compare(new, FOLDS, "devise").wins == wins


def test_a_champion_with_other_labels_held_out_counts_by_the_score_that_it_had(champion_is):
    new = bundle(*MAPS[:2])
    for old, wins in ((new.score - 0.01, True), (new.score + 0.01, False)):
        champion_is(bundle(*MAPS[:2], folds_id="5 of seed 1", score=old))
        found = compare(new, FOLDS, "devise")
        assert (found.wins, found.score) == (wins, pytest.approx(old))
        assert "each on labels of its own" in found.why


def test_a_champion_that_was_fine_tuned_is_beaten_in_its_own_fold_only(champion_is):
    new = bundle(*MAPS[:2])
    in_fold = score_projections([FOLDS[1].validation], [MAPS[1]]).value
    assert in_fold != pytest.approx(new.score, abs=1e-3)
    for old, wins in ((in_fold - 0.001, True), (in_fold + 0.001, False)):
        tuned = {"backbone_id": "tuned", "score": old, "score_fold": FOLDS[1].number}
        champion_is(bundle(*MAPS[2:], trained=new.trained[:1], **tuned))
        found = compare(new, FOLDS, "devise")
        assert (found.wins, found.score) == (wins, pytest.approx(old))
        assert found.why.startswith(f"{in_fold:.4f} on labels held out")


def test_what_cannot_be_compared_is_no_rival(champion_is):
    new = bundle(*MAPS[:2])
    champion_is(None)
    assert compare(new, FOLDS, "devise").wins
    for changes, why in (
        ({"words_id": "others"}, "other word vectors"),
        ({"score": None, "folds_id": ""}, "without folds"),
    ):
        champion_is(bundle(*MAPS[2:], **changes))
        found = compare(new, FOLDS, "devise")
        assert found.wins
        assert why in found.why
        assert found.score is None


def test_a_model_that_was_not_scored_beats_none_that_was(champion_is):
    unscored = bundle(*MAPS[:2], score=None, folds_id="")
    champion_is(bundle(*MAPS[2:]))
    found = compare(unscored, [], "devise")
    assert not found.wins
    assert "give validation_folds" in found.why
    champion_is(unscored)
    assert compare(unscored, [], "devise").wins


def test_a_champion_of_an_older_form_is_no_rival(champion_is, tmp_path):
    champion_is(bundle(*MAPS[:2]))
    path = tmp_path / "projection.json"
    path.write_text(path.read_text().replace('"form": 3', '"form": 2'))
    found = compare(bundle(*MAPS[:2]), FOLDS, "devise")
    assert found.wins
    assert "cannot be read" in found.why
