"""Plots of a training of projections, for its MLflow run and the report."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.numerics.vectors import stack_rows
from devise_lib.report.content import MapPoints
from devise_lib.report.curves import draw_losses, draw_scores
from devise_lib.report.pca_plane import fit_plane
from devise_lib.report.training_snapshots import draw_snapshots
from devise_lib.spark.labels.lookup import dedupe_labels
from devise_lib.spark.train.tracked_photos import TrackedPhotos
from devise_lib.training.plan import Outcome


def training_plots(
    outcome: Outcome, tracked: TrackedPhotos | None, labels: DataFrame
) -> dict[str, bytes]:
    """Return plots as SVG by file name: losses, scores of the chosen trial, photos on their way.

    A plot without data is left out: no epoch was trained, nothing was chosen, or there are no test
    photos.

    Args:
        outcome: of the ranks.
        tracked: the photos of its snapshots, which move to their labels.
        labels: LABELS.
    """
    plots = {}
    losses = {name: trained.losses for name, trained in outcome.trained.items() if trained.losses}
    if losses:
        plots["losses.svg"] = draw_losses(losses)
    for trial in outcome.trials:
        same = not trial.diverged and trial.settings == outcome.settings
        if same and trial.score == outcome.score:
            alone = [score.unseen_accuracy for score in trial.scores]
            harmonic = [score.harmonic_mean for score in trial.scores]
            plots["scores.svg"] = draw_scores(alone, harmonic, trial.settings.epochs)
    steps = _steps(outcome, tracked, labels) if tracked else {}
    if steps:
        vectors = next(iter(steps.values())).vectors
        if len(vectors) > 2:
            plots["snapshots.svg"] = draw_snapshots(steps, fit_plane(vectors))
    return plots


def _steps(outcome: Outcome, tracked: TrackedPhotos, labels: DataFrame) -> dict[int, MapPoints]:
    """Return, by epoch, the labels with a vector and the embeddings of the first run's photos."""
    known = dedupe_labels(labels).where(F.col("vector").isNotNull()).orderBy("label")
    rows = known.select("label", "term", "seen", "vector").collect()  # as many as labels
    name_of = {row["label"]: row["term"] or row["label"] for row in rows}
    vectors = stack_rows([row["vector"] for row in rows], len(rows[0]["vector"]))
    return {
        epoch: MapPoints(
            names=[name_of[row["label"]] for row in rows],
            seen=[row["seen"] for row in rows],
            vectors=vectors,
            photo_labels=[name_of[label] for label in tracked.labels],
            embeddings=embeddings,
        )
        for trained in outcome.trained.values()
        for epoch, embeddings in trained.snapshots.items()
    }
