import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from devise_lib.numerics.linear import Projection
from devise_lib.numerics.validation import Score
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.spark.tables.schemas import LABELS
from devise_lib.spark.train.plots import training_plots
from devise_lib.spark.train.tracked_photos import TrackedPhotos
from devise_lib.training.plan import Outcome, Trained, TrialResult
from devise_lib.training.settings import Objective, Settings

pytestmark = pytest.mark.spark

RNG = np.random.default_rng(2)
NAMES = ["ant", "bee", "cat", "dog"]
VECTORS = l2_normalize(RNG.normal(size=(4, 5)).astype(np.float32))
FOLLOWED = TrackedPhotos(["ant", "ant", "dog"], RNG.normal(size=(3, 7)).astype(np.float32))
STEPS = {epoch: RNG.normal(size=(3, 5)).astype(np.float32) for epoch in (0, 1, 2)}
SETTINGS = Settings(Objective(), learning_rate=0.1, epochs=2)
NOTHING = Projection(())


def texts(svg: bytes) -> list[str]:
    return ["".join(e.itertext()) for e in ET.fromstring(svg).iter() if e.tag.endswith("text")]


def trial(settings: Settings, *alone: float) -> TrialResult:
    return TrialResult(settings, [Score(value, value, 0.0, (value,)) for value in alone], [])


@pytest.fixture(scope="module")
def labels(spark):
    rows = [
        (name, "s", [name], f"{name} term", "exact", name != "dog", [], v.tolist(), v.tolist(), "w")
        for name, v in zip(NAMES, VECTORS, strict=True)
    ]
    rows.append(("xyzzy", "s", ["xyzzy"], None, "missing", True, [], None, None, "w"))
    return spark.createDataFrame(rows, LABELS)


def make_outcome(trials=(), losses=(0.5, 0.25), snapshots=STEPS) -> Outcome:
    trained = {
        "devise-0": Trained(NOTHING, list(losses), snapshots),
        "random_embeddings-0": Trained(NOTHING, list(losses)),
    }
    return Outcome(list(trials), [], trials[-1].score if trials else None, [], trained, SETTINGS, 2)


def test_there_is_a_plot_of_all_that_was_measured(labels):
    tried = [trial(replace(SETTINGS, epochs=1), 0.1, 0.5), trial(SETTINGS, 0.1, 0.2, 0.6)]
    plots = training_plots(make_outcome(tried), FOLLOWED, labels)
    assert set(plots) == {"losses.svg", "scores.svg", "snapshots.svg"}
    assert {"devise-0", "random embeddings-0"} <= set(texts(plots["losses.svg"]))
    assert "chosen: 2" in texts(plots["scores.svg"]), "of the trial that was chosen"
    found = texts(plots["snapshots.svg"])
    assert {"start", "epoch 1", "epoch 2", "ant term", "dog term"} <= set(found)
    assert "bee term" not in found, "no photo of it is followed"


def test_the_snapshots_are_drawn_among_the_labels_that_have_a_vector(labels, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        "devise_lib.spark.train.plots.draw_snapshots",
        lambda steps, plane: drawn.update(steps=steps, plane=plane) or b"",
    )
    training_plots(make_outcome(), FOLLOWED, labels)
    assert list(drawn["steps"]) == [0, 1, 2]
    for epoch, points in drawn["steps"].items():
        np.testing.assert_array_equal(points.vectors, VECTORS)
        np.testing.assert_array_equal(points.embeddings, STEPS[epoch])
        assert list(points.names) == [f"{name} term" for name in NAMES]
        assert list(points.seen) == [True, True, True, False]
        assert list(points.photo_labels) == ["ant term", "ant term", "dog term"]
    np.testing.assert_allclose(drawn["plane"].mean, VECTORS.mean(axis=0), rtol=1e-5)


def test_what_there_is_nothing_of_is_left_out(labels):
    assert set(training_plots(make_outcome(), None, labels)) == {"losses.svg"}
    assert training_plots(make_outcome(losses=(), snapshots={}), FOLLOWED, labels) == {}
    two = labels.where("label IN ('ant', 'dog', 'xyzzy')")
    assert "snapshots.svg" not in training_plots(make_outcome(), FOLLOWED, two), "no plane"
