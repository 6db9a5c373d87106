"""What is drawn of a training of projections, for its MLflow run and the report."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.numerics.vectors import stack_rows
from devise_lib.report.content import MapPoints
from devise_lib.report.curves import draw_losses, draw_scores
from devise_lib.report.pca_plane import fit_plane
from devise_lib.report.training_snapshots import draw_journey
from devise_lib.spark.labels.lookup import dedupe_labels
from devise_lib.spark.train.tracked_photos import FollowedPhotos
from devise_lib.training.plan import Outcome


def training_plots(
    outcome: Outcome, followed: FollowedPhotos | None, labels: DataFrame
) -> dict[str, bytes]:
    """SVG by file name: losses, the chosen trial's scores, and photos on their way to labels.

    What there is nothing of is left out: no epoch was trained, nothing was chosen, no photo is
    kept for testing.

    Args:
        outcome: of the ranks.
        followed: the photos of its snapshots.
        labels: LABELS.
    """
    plots = {}
    losses = {name: trained.losses for name, trained in outcome.trained.items() if trained.losses}
    if losses:
        plots["losses.svg"] = draw_losses(losses)
    for trial in outcome.trials:
        same = not trial.diverged and trial.settings == outcome.settings
        if same and trial.score == outcome.score:
            alone, harmonic = ([getattr(s, n) for s in trial.scores] for n in ("alone", "harmonic"))
            plots["scores.svg"] = draw_scores(alone, harmonic, trial.settings.epochs)
    steps = _steps(outcome, followed, labels) if followed else {}
    if steps:
        vectors = next(iter(steps.values())).vectors
        if len(vectors) > 2:
            plots["journey.svg"] = draw_journey(steps, fit_plane(vectors))
    return plots


def _steps(outcome: Outcome, followed: FollowedPhotos, labels: DataFrame) -> dict[int, MapPoints]:
    """The labels with a vector, and by epoch where the first run's photos were."""
    known = dedupe_labels(labels).where(F.col("vector").isNotNull()).orderBy("label")
    rows = known.select("label", "term", "seen", "vector").collect()  # as many as labels
    name_of = {row["label"]: row["term"] or row["label"] for row in rows}
    vectors = stack_rows([row["vector"] for row in rows], len(rows[0]["vector"]))
    return {
        epoch: MapPoints(
            names=[name_of[row["label"]] for row in rows],
            seen=[row["seen"] for row in rows],
            vectors=vectors,
            photo_labels=[name_of[label] for label in followed.labels],
            embeddings=embeddings,
        )
        for trained in outcome.trained.values()
        for epoch, embeddings in trained.snapshots.items()
    }
