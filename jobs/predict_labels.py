"""Tags every photo with the labels whose word vectors are nearest to its embedding.

in   EMBEDDINGS of the model, LABELS; TEXT_VECTORS for a registered model
out  PREDICTIONS   k rows per photo; the rows of this model are replaced in one commit

    python jobs/predict_labels.py --config conf/local.toml --set predict_labels.candidates=unseen
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.search import PredictLabels

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(PredictLabels)

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.spark.embed.current_models import warn_if_incomplete
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.labels.text_vectors import labels_for
from devise_lib.spark.search.tagging import predict, read_candidates
from devise_lib.spark.tables.delta_tables import Tables


def run(spark: SparkSession, config: PredictLabels) -> dict[str, int]:
    """Write PREDICTIONS; returns rows, candidate labels, and labels without a vector, unless 0."""
    model = tracking.find_registered(config.model_name, config.model)
    model_id = model.model_id
    tables = Tables.of(spark, config, run_id=tracking.current_run_id(), model_id=model_id)
    labels = labels_for(tables, model_id, model.words_id)
    candidates = read_candidates(labels, config.candidates)
    embeddings = tables.of_model("embeddings", model_id)
    warn_if_incomplete(tables, model_id, config.name)
    predictions = predict(embeddings, candidates, config.k)
    rows = tables.overwrite("predictions", predictions, where=f"model_id = '{model_id}'")
    tracking.log_params({"model_id": model_id})
    left_out = {"labels without a vector": candidates.left_out} if candidates.left_out else {}
    return {"predictions": rows, "candidate labels": len(candidates.labels), **left_out}


if __name__ == "__main__":
    run_job(run, PredictLabels)
