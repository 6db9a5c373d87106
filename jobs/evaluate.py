"""The model, its control and the closed-form baselines on the photos kept for testing.

in   FEATURES (test split), LABELS, the registered model
out  METRICS   flat hit@k by method, photo set and candidate set

    python jobs/evaluate.py --config conf/local.toml --set evaluate.k='[1,2,5,10,20]'
"""

import numpy as np
from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.config import Evaluate
from devise_lib.errors import InputError
from devise_lib.numerics.linear import ridge
from devise_lib.spark.devise import feature_moments, label_vectors
from devise_lib.spark.entry import run_job
from devise_lib.spark.evaluation import Methods, candidate_sets, hit_metrics, ranks_of_truth
from devise_lib.spark.metrics import replace_metrics
from devise_lib.spark.tables import Tables
from devise_lib.spark.word_space import require_same_words
from devise_lib.training.bundle import load_bundle


def run(spark: SparkSession, config: Evaluate) -> dict[str, int]:
    model = tracking.find_registered(config.model_name, config.model)
    bundle = tracking.fetch_extras(model, load_bundle)
    tables = Tables.of(spark, config, model_id=model.model_id, run_id=tracking.current_run_id())
    features, labels = tables.read("features"), tables.read("labels")
    if features.where(features["backbone_id"] != bundle.backbone_id).limit(1).count():
        raise InputError(
            f"FEATURES are not of {model.model_id}'s backbone {bundle.backbone_id}: run "
            "extract_features and train_devise again, or name another model"
        )
    require_same_words(labels, bundle.words_id, model.model_id)
    candidates = candidate_sets(labels, bundle.control_vectors)
    vectors = label_vectors(labels)
    moments = feature_moments(
        features.where("split = 'train'"), spark.sparkContext.broadcast(vectors)
    )
    nothing = np.zeros(len(moments.y), dtype=np.float32)
    class_vectors = np.stack([vectors.get(label, nothing) for label in bundle.classes])
    methods = Methods(bundle, ridge(moments, config.ridge_lambda), class_vectors, config.conse_t)
    ranks = ranks_of_truth(spark, features.where("split = 'test'"), methods, candidates)
    metrics = hit_metrics(ranks, candidates, config.k)
    rows = replace_metrics(tables, metrics, tracking.current_run_id(), model.model_id, config.seed)
    tracking.log_metrics({metric.flat_name(): metric.value for metric in metrics})
    return {"metrics": rows, "test photos": features.where("split = 'test'").count()}


if __name__ == "__main__":
    run_job(run, Evaluate)
