"""Real runs of two Horovod ranks on the session."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from devise_lib.numerics.candidates import CandidateSet
from devise_lib.numerics.validation import Validation
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.spark.train.horovod_ranks import RanksLogs, run_ranks
from devise_lib.training.plan import DatasetSpec, FoldSpec, ProjectionPlan, TrainingSpec
from devise_lib.training.projection import snapshot_epochs, train_projections
from devise_lib.training.settings import Objective, Settings
from devise_lib.training.softmax import SoftmaxPlan, train_softmax
from devise_lib.vision.networks.build import network_to_train
from devise_lib.vision.networks.keras_file import bytes_of_model
from tests.numerics.ranking import hinge_rank_loss
from tests.training.event_files import read_scalars

pytestmark = [pytest.mark.spark, pytest.mark.slow]

LABELS = [f"label {i}" for i in range(6)]
RNG = np.random.default_rng(11)
CENTRES = RNG.standard_normal((6, 10)) * 3
TARGETS = {
    "devise": l2_normalize(RNG.standard_normal((6, 4)).astype(np.float32)),
    "random_embeddings": l2_normalize(RNG.standard_normal((6, 4)).astype(np.float32)),
}
TRUTH = np.arange(300) % 6
FEATURES = (CENTRES[TRUTH] + RNG.standard_normal((300, 10)) * 0.5 + 5).astype(np.float32)
PHOTO_CLASS = np.arange(96) % 2
PHOTOS = (PHOTO_CLASS[:, None, None, None] * 90 + RNG.integers(0, 120, (96, 32, 32, 3))).astype(
    np.uint8
)

# The loop by itself: a linear map by plain gradient descent, each rank with data of its own.
STEPS, EPOCHS, RATE = 3, 2, 0.1
INPUTS = RNG.standard_normal((2, STEPS * EPOCHS, 8, 5)).astype(np.float32)  # by rank and step
ANSWERS = RNG.standard_normal((2, STEPS * EPOCHS, 8, 1)).astype(np.float32)


def write_parts(folder, columns: dict, parts: int) -> list[str]:
    folder.mkdir()
    table = pa.table(columns)
    urls = []
    for i in range(parts):
        path = folder / f"{i}.parquet"
        pq.write_table(table.take(list(range(i, len(table), parts))), path)
        urls.append(path.as_uri())
    return urls


SETTINGS = Settings(Objective("rank", 0.5, "all", True), learning_rate=0.1, epochs=8, batch_size=32)


def make_rows(files, targets, start=None) -> DatasetSpec:
    mean, deviation = FEATURES.mean(0).astype(np.float64), FEATURES.std(0).astype(np.float64)
    return DatasetSpec(files, 300, LABELS, targets, start, mean, deviation)


FOLLOWED = 7


def projection_plan(folder) -> ProjectionPlan:
    feature = pa.array(FEATURES.tolist(), pa.list_(pa.float32()))
    columns = {"feature": feature, "label": [LABELS[i] for i in TRUTH]}
    files = write_parts(folder / "features", columns, 4)
    trainings = [TrainingSpec(m, m, make_rows(files, targets), 1) for m, targets in TARGETS.items()]
    return ProjectionPlan(
        settings=[SETTINGS],
        folds=[],
        trainings=trainings,
        seed=1,
        patience=0,
        readers=2,
        cache_bytes=2**30,
        folder="",
        checkpoint_steps=1,
        threads=1,
        events=str(folder / "tensorboard" / "train_devise"),
        tracked=FEATURES[:FOLLOWED],
    )


def trial_plan(plan, folder) -> ProjectionPlan:
    """Two trials of two epochs, without the photos of the last two labels; the second diverges."""
    known = TRUTH < 4
    feature = pa.array(FEATURES[known].tolist(), pa.list_(pa.float32()))
    columns = {"feature": feature, "label": [LABELS[i] for i in TRUTH[known]]}
    whole = make_rows(write_parts(folder / "four_labels", columns, 4), TARGETS["devise"][:4])
    rows = replace(whole, labels=LABELS[:4], count=int(known.sum()))
    candidates = CandidateSet(LABELS, np.arange(6) < 4, *TARGETS.values())
    fold = FoldSpec(rows, rows, Validation(FEATURES, TRUTH, candidates))
    return replace(
        plan,
        settings=[replace(SETTINGS, epochs=2, learning_rate=rate) for rate in (0.1, 1e38)],
        folds=[fold],
        trainings=[],
        events=str(folder / "tensorboard" / "trials"),
    )


def softmax_plan(folder) -> SoftmaxPlan:
    labels = ["ab"[place] for place in PHOTO_CLASS]
    columns = {"pixels": [photo.tobytes() for photo in PHOTOS], "label": labels}
    return SoftmaxPlan(
        file_urls=write_parts(folder / "pixels", columns, 4),
        rows=96,
        classes=["a", "b"],
        network=bytes_of_model(network_to_train("small_cnn", "", 2, 32, -1, seed=1)),
        image_size=32,
        epochs=3,
        batch_size=16,
        readers=2,
        learning_rate=2e-3,
        seed=1,
        threads=1,
        events=str(folder / "tensorboard" / "train_backbone"),
    )


def make_job():
    """What each rank runs; a closure, since ranks cannot import this file."""
    inputs, answers, steps, epochs, rate = INPUTS, ANSWERS, STEPS, EPOCHS, RATE

    def job(plans):

        import horovod.tensorflow as hvd
        import keras
        import tensorflow as tf

        from devise_lib.errors import DivergedError
        from devise_lib.training.ranks.checkpoint import Checkpoint
        from devise_lib.training.ranks.loop import Trainable, _require_finite, find_rate, train

        projections, trials, photos, folder = plans
        trained = train_projections(projections)
        tried = train_projections(trials)
        network = train_softmax(photos)

        rank = hvd.rank()

        def run(model, optimizer):
            first = [w.copy() for w in model.get_weights()]

            def feed(epoch):
                mine = slice(epoch * steps, (epoch + 1) * steps)
                yield from zip(inputs[rank][mine], answers[rank][mine], strict=True)

            def loss(outputs, targets):
                return keras.ops.mean(keras.ops.square(outputs - targets))

            *_, curve = train(Trainable(model, loss, feed, steps), optimizer, epochs)
            return first, model.get_weights(), curve

        keras.utils.set_random_seed(50 + rank)  # ranks start apart, unless they are told
        dense = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1, use_bias=False)])
        linear = run(dense, keras.optimizers.SGD(rate))
        layers = [keras.Input((5,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
        normed = run(keras.Sequential(layers), keras.optimizers.Adam(rate))
        layers = [keras.Input((5,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
        layers[1].trainable = False
        frozen = run(keras.Sequential(layers), keras.optimizers.Adam(rate))
        ranged = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1)])
        first = [w.copy() for w in ranged.get_weights()]

        def endless(_):
            while True:
                yield inputs[rank][0], answers[rank][0]

        def squares(outputs, targets):
            return keras.ops.mean(keras.ops.square(outputs - targets))

        def diverging():
            for last_rate in (
                1e30,
                float("inf"),
            ):  # a loss that is not finite; weights alone, at the end
                model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1)])
                kept = Checkpoint(f"{folder}/{last_rate}-{rank}.npz", 1)
                count = steps if last_rate == 1e30 else 1
                try:
                    trainable = Trainable(model, squares, endless, count)
                    list(train(trainable, keras.optimizers.SGD(last_rate), 1, kept))
                except DivergedError as error:
                    yield str(error), kept.load()

        def refused():  # what only one rank has, as it has its own statistics within an epoch
            own = tf.Variable(float("nan") if rank else 0.0)
            try:
                _require_finite(0.5, [own], 0)
            except DivergedError as error:
                return str(error)

        trainable = Trainable(ranged, squares, endless, steps)
        found = find_rate(trainable, keras.optimizers.SGD, 1e-5, 1e3, 80)
        same = [bool((a == b).all()) for a, b in zip(first, ranged.get_weights(), strict=True)]
        return {
            "rate": found,
            "weights stay": same if rank == 0 else [True],
            "rank": rank,
            "projections": trained,
            "trials": tried.trials,
            "chosen": tried.settings,
            "network": network,
            "linear": linear,
            "normed": normed,
            "frozen": frozen,
            "diverged": list(diverging()),
            "refused": refused(),
        }

    return job


@pytest.fixture(scope="module")
def results(spark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    plan = projection_plan(folder)
    plans = plan, trial_plan(plan, folder), softmax_plan(folder), str(folder / "states")
    found = run_ranks(spark, make_job(), plans, 2, RanksLogs.beside(folder / "logs" / "ranks.log"))
    found[0]["events"] = folder / "tensorboard"
    return found


def test_there_are_two_ranks_in_order(results):
    assert [result["rank"] for result in results] == [0, 1]
    assert {result["projections"].size for result in results} == {2}
    assert results[0]["network"].size == 2


def assert_same(one, other):
    for layer, same in zip(one.layers, other.layers, strict=True):
        assert (layer.matrix == same.matrix).all()
        assert (layer.offset == same.offset).all()


def test_all_ranks_end_with_the_same_projection(results):
    first, second = (result["projections"].trained for result in results)
    for method in TARGETS:
        assert_same(first[method].projection, second[method].projection)
        assert first[method].losses == second[method].losses


def test_the_projection_learns(results):
    for method, trained in results[0]["projections"].trained.items():
        assert len(trained.losses) == 8
        assert trained.losses[-1] < 0.5 * trained.losses[0]
        embedded = trained.projection.embed(FEATURES)
        scores = embedded @ TARGETS[method].T
        assert (scores.argmax(axis=1) == TRUTH).mean() > 0.8  # the order is the files'
        reached = hinge_rank_loss(embedded, TARGETS[method], TRUTH, 0.5).mean()
        assert 0.5 * trained.losses[-1] < reached < 1.2 * trained.losses[-1]  # and still falls


def test_one_rank_has_the_loss_curve_of_two(results, spark, tmp_path):
    """With as many readers the ranks have the same batches between them.

    Nor does it change anything that photos are followed.
    """
    plan = replace(projection_plan(tmp_path), tracked=None)
    [alone] = run_ranks(spark, train_projections, plan, 1, RanksLogs.beside(tmp_path / "ranks.log"))
    for method, trained in results[0]["projections"].trained.items():
        same = alone.trained[method]
        np.testing.assert_allclose(same.losses, trained.losses, rtol=1e-4)
        [one], [two] = same.projection.layers, trained.projection.layers
        np.testing.assert_allclose(one.matrix, two.matrix, atol=1e-3 * np.abs(two.matrix).max())


def test_photos_are_followed_from_the_start_to_the_first_runs_own_projection(results):
    first, second = (result["projections"].trained for result in results)
    snapshots = first["devise"].snapshots
    assert sorted(snapshots) == sorted(snapshot_epochs(8))
    last = first["devise"].projection.embed(FEATURES[:FOLLOWED])
    np.testing.assert_array_equal(snapshots[8], last)
    right = [
        (points * TARGETS["devise"][TRUTH[:FOLLOWED]]).sum(1).mean()
        for points in snapshots.values()
    ]
    assert right[0] < right[1] < right[-1], "cosines with the right labels"
    assert not first["random_embeddings"].snapshots
    assert not second["devise"].snapshots


def test_the_first_rank_alone_hands_over_the_network_and_its_loss_falls(results):
    network = results[0]["network"]
    assert results[1]["network"] is None
    assert len(network.losses) == 3
    assert network.losses[-1] < network.losses[0]
    assert "model.weights.h5" in zipfile.ZipFile(io.BytesIO(network.keras_file)).namelist()


def test_tensorboard_finds_the_curves_that_the_first_rank_wrote(results):
    events = results[0]["events"]
    for method, trained in results[0]["projections"].trained.items():
        [*points] = read_scalars(events / "train_devise" / method)["loss"]
        assert points == [(i, pytest.approx(x)) for i, x in enumerate(trained.losses, 1)]
    found = read_scalars(events / "train_backbone" / "softmax")["loss"]
    losses = results[0]["network"].losses
    assert found == [(i, pytest.approx(x)) for i, x in enumerate(losses, 1)]


def test_tensorboard_finds_the_scores_of_a_trial_from_its_start_on(results):
    trial, _ = results[0]["trials"]
    found = read_scalars(results[0]["events"] / "trials" / "trial 0")
    for name in ("unseen_accuracy", "harmonic_mean"):
        values = [getattr(score, name) for score in trial.scores]
        assert found[f"validation_{name}"] == [
            (epoch, pytest.approx(x)) for epoch, x in enumerate(values)
        ]
    assert [step for step, _ in found["loss"]] == [1, 2]
    best = trial.folds[0].losses
    assert [x for _, x in found["loss"]][: len(best)] == [pytest.approx(x) for x in best]


def test_a_training_that_is_no_longer_finite_ends_on_all_ranks_and_keeps_no_state(results):
    """The kind of fault: numbers that are not finite, which go through without a word.

    Such a training ended like any other, its state was kept to go on from, and its model was
    registered. In the second case the loss of the only step is finite, and the weights after it
    are not.
    """
    for result in results:
        told = [message for message, _ in result["diverged"]]
        assert len(told) == 2
        assert all("diverged in epoch 1: its loss is" in each for each in told)
        assert all("lower learning_rate" in each for each in told)
    for state, variables in (each for result in results for _, each in result["diverged"] if each):
        assert np.isfinite(state.total)
        assert all(np.isfinite(values).all() for values in variables)


def test_what_is_not_finite_on_one_rank_ends_all_of_them(results):
    """The kind of fault: ranks that decide by numbers of their own, so that one waits for ever."""
    assert all("diverged in epoch 1" in result["refused"] for result in results)


def test_settings_that_diverge_are_tried_and_not_chosen(results):
    for result in results:
        good, bad = result["trials"]
        assert (good.diverged, bad.diverged) == (False, True)
        assert len(bad.scores) == 1, "that of the start"
        assert result["chosen"].learning_rate == 0.1


def test_gradients_are_averaged_as_if_one_rank_had_taken_all_batches(results):
    [start] = results[0]["linear"][0]
    weights, losses = start.astype(np.float64), []
    for step in range(STEPS * EPOCHS):
        x, y = np.concatenate(INPUTS[:, step]), np.concatenate(ANSWERS[:, step])
        error = x @ weights - y
        losses.append((error**2).mean())
        weights = weights - RATE * 2 * x.T @ error / len(x)
    for result in results:
        _, [found], curve = result["linear"]
        np.testing.assert_allclose(found, weights, rtol=1e-4)
        np.testing.assert_allclose(curve, np.reshape(losses, (EPOCHS, STEPS)).mean(1), rtol=1e-4)
    assert (results[1]["linear"][0][0] != start).any(), "ranks began apart"


def test_a_frozen_layer_keeps_its_weights_and_statistics(results):
    for result in results:
        first, last, _ = result["frozen"]
        *kept, kernel, _ = (one == other for one, other in zip(first, last, strict=True))
        assert len(kept) == 4
        assert all(same.all() for same in kept)
        assert not kernel.any()
    first, last, _ = results[0]["normed"]
    assert not any((one == other).any() for one, other in zip(first, last, strict=True))


def test_a_range_test_finds_one_rate_for_all_ranks_and_leaves_the_weights_alone(results):
    """Gradient descent on squares diverges above 2 / the greatest eigenvalue of the Hessian."""
    rates = {result["rate"] for result in results}
    assert len(rates) == 1
    x = np.concatenate(INPUTS[:, 0])
    x = np.hstack([x, np.ones((len(x), 1))])
    diverges = 2 / np.linalg.eigvalsh(2 * x.T @ x / len(x)).max()
    assert diverges / 100 < rates.pop() < diverges
    assert all(all(result["weights stay"]) for result in results)


def test_ranks_agree_on_the_statistics_of_batch_normalisation_too(results):
    (_, first, _), (_, second, _) = (result["normed"] for result in results)
    for one, other in zip(first, second, strict=True):
        assert (one == other).all()
    moving_mean = first[2]
    assert np.abs(moving_mean).max() > 1e-3
