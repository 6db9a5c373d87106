"""Measures the model, its control and the closed-form baselines on the test photos.

in   FEATURES, LABELS, the registered model; WORD_VECTORS for searches by any word
out  METRICS   figures by method, photo set and candidate set; plots with the MLflow run

    python jobs/evaluate.py --config conf/local.toml --set evaluate.k='[1,2,5,10,20]'
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.reporting import Evaluate

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(Evaluate)

from pyspark.sql import SparkSession

from devise_lib import model_store, tracking
from devise_lib.report.curves import evaluation_plots
from devise_lib.report.generalized import CURVE_SEEN, CURVE_UNSEEN
from devise_lib.spark.evaluate.candidate_sets import read_choices
from devise_lib.spark.evaluate.methods import chosen_penalties, chosen_settings, select_methods
from devise_lib.spark.evaluate.metrics import zero_shot_metrics
from devise_lib.spark.evaluate.rank_photos import make_eval_plan, rank_photos
from devise_lib.spark.evaluate.search_sample import sample_photos
from devise_lib.spark.evaluate.searches import measure_searches
from devise_lib.spark.features.extract import read_features
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.labels.word_space import require_same_words
from devise_lib.spark.tables.caching import on_disk
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.metrics_table import as_columns, read_measurements, replace_metrics
from devise_lib.training.bundle import load_bundle


def run(spark: SparkSession, config: Evaluate) -> dict[str, int]:
    """Choose the settings of all methods, and write METRICS; returns figures and test photos."""
    model = tracking.find_registered(config.model_name, config.model)
    bundle = model_store.fetch_extras(model, load_bundle)
    tables = Tables.of(spark, config, model_id=model.model_id, run_id=tracking.current_run_id())
    labels = tables.read("labels")
    require_same_words(labels, bundle.words_id, model.model_id)
    features = read_features(tables, model, bundle.backbone_id)
    choices = read_choices(labels, bundle.control_vectors, config.candidates)
    training, test = (features.where(features["split"] == split) for split in ("train", "test"))
    methods = select_methods(training, labels, bundle, choices.labels, config)
    tracking.log_params(chosen_settings(methods))
    tracking.log_metrics(chosen_penalties(methods))
    plan = make_eval_plan(test, choices, methods, config)
    with on_disk(rank_photos(spark, test, plan)) as ranks:
        metrics = zero_shot_metrics(ranks, plan)
    if config.search_photos:
        projection = bundle.trained[0].projection
        metrics += measure_searches(sample_photos(tables, training, test, projection, config))
    rows = replace_metrics(tables, metrics, tracking.current_run_id(), model.model_id, config.seed)
    points = (CURVE_SEEN, CURVE_UNSEEN)  # of plots, too many to read as figures
    figures = [m for m in metrics if m.metric not in points]
    tracking.log_metrics({m.flat_name(): m.value for m in figures})
    tracking.log_table("zero_shot.json", as_columns(figures))
    tracking.log_plots(evaluation_plots(read_measurements(tables, model.model_id)))
    return {"metrics": rows, "test photos": sum(plan.sizes.values())}


if __name__ == "__main__":
    run_job(run, Evaluate)
