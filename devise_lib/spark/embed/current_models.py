"""The model whose embeddings readers see: a row of CURRENT_MODELS, written when all are complete.

A new model embeds every photo beside the rows of the old one. Readers switch in one commit of
CURRENT_MODELS. With a catalog, its view `embeddings_current` changes right after.
"""

from pyspark.sql import functions as F

from devise_lib.console import print_line
from devise_lib.spark.embed.results import RESULT_TABLES, results_of
from devise_lib.spark.embed.stream import checkpoint, lock_name
from devise_lib.spark.job.locks import unless_running
from devise_lib.spark.tables.analyst_sql import current_embeddings_view
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import CURRENT_MODELS
from devise_lib.storage.stores import clean_up


def is_current(tables: Tables, model_id: str) -> bool:
    """Return whether readers see this model."""
    return _newest_first(tables)[:1] == [model_id]


def warn_if_incomplete(tables: Tables, model_id: str, job: str) -> None:
    """Print a warning if the embeddings of a model have never been complete.

    Args:
        tables: of the work folder.
        model_id: the model that a job reads.
        job: the job's name, which begins the line.
    """
    if model_id not in _newest_first(tables):
        print_line(
            f"{job}  no run of embed_photos has made {model_id} current: it may not have all photos"
        )


def make_current(tables: Tables, model_id: str) -> None:
    """Let readers see this model from now on.

    Args:
        tables: with all rows of the model; their provenance names the run.
        model_id: the model.
    """
    row = tables.spark.createDataFrame(
        [(model_id, None, tables.provenance["run_id"])], CURRENT_MODELS
    )
    tables.append("current_models", row.withColumn("since", F.current_timestamp()))


def show_in_view(tables: Tables, model_id: str) -> None:
    """Let the view of the catalog, if there is one, show the current embeddings of the model."""
    if tables.catalog:
        for name in ("photos", "embeddings"):
            tables.give_name(name)
        tables.spark.sql(current_embeddings_view(tables.catalog, model_id))


def drop_old_models(tables: Tables, keep: int, but: str) -> None:
    """Drop the rows of all models that have been current, except the `keep` newest.

    A model that has never been current, such as one on trial, keeps its rows. So does a model that
    another run is embedding with.

    Args:
        tables: with the rows.
        keep: number of models.
        but: the run's own model, which always stays.
    """
    for model_id in _newest_first(tables)[keep:]:
        if model_id != but and not results_of(tables, model_id).isEmpty():
            with unless_running(tables.work_dir, lock_name(model_id)) as is_free:
                if is_free:
                    _drop(tables, model_id)


def _drop(tables: Tables, model_id: str) -> None:
    for name in RESULT_TABLES:
        tables.delete(name, F.col("model_id") == model_id)
    clean_up(checkpoint(tables.work_dir, model_id))


def _newest_first(tables: Tables) -> list[str]:
    """Return every model that has been current, newest first."""
    if not tables.exists("current_models"):
        return []
    # Sorted here, because a sort in Spark takes more jobs. In UTC, because a local hour occurs
    # twice per year.
    since = F.unix_micros("since").alias("since")
    rows = tables.read("current_models").select("model_id", since).collect()
    newest = sorted(rows, key=lambda row: row["since"], reverse=True)
    return list(dict.fromkeys(row["model_id"] for row in newest))
