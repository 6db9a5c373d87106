"""Figures in METRICS, one row for each: written by the jobs that measure, read by the report."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from math import isfinite

from pyspark.sql import functions as F

from devise_lib.errors import InputError
from devise_lib.report.content import Measurement
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import METRICS

MAX_METRICS = 100_000  # figures of one model, which the report collects on the driver
# build_index writes "ivf", train_word2vec "word2vec" and embed_labels "labels". The job evaluate
# writes all other methods.
METHODS_WITHOUT_MODEL = ("word2vec", "labels")
METHODS_OF_OTHER_JOBS = ("ivf", *METHODS_WITHOUT_MODEL)
VALUE_COLUMNS = (
    "method string, photo_set string, candidate_set string, metric string, k int, value double, "
    "seed int"
)


@dataclass(frozen=True)
class Metric:
    """One figure. The columns of METRICS with the same names say what each field means.

    `seed` is of the training that the figure belongs to; None stands for the seed of the run.
    """

    method: str
    photo_set: str
    candidate_set: str
    metric: str
    k: int | None
    value: float
    seed: int | None = None

    def flat_name(self) -> str:
        """Return all fields but the value as one name, of the characters that MLflow allows."""
        at = "" if self.k is None else f"_at_{self.k}"
        seed = "" if self.seed is None else f"seed_{self.seed}"
        parts = (self.metric + at, self.method, self.photo_set, self.candidate_set, seed)
        return "/".join(re.sub(r"[^\w.-]+", "_", part) for part in parts if part)


def as_columns(metrics: Sequence[Metric]) -> dict[str, list[object]]:
    """Return the figures as a table: the name of each field, and its values."""
    return {each.name: [getattr(m, each.name) for m in metrics] for each in fields(Metric)}


def replace_metrics(
    tables: Tables, metrics: Iterable[Metric], run_id: str, model_id: str, seed: int
) -> int:
    """Write the figures of a run in place of those that earlier runs of its job wrote.

    So a method, a candidate set or a k that the run no longer measures leaves no figure behind.
    Figures of other models and of other jobs stay, so that models can be compared.

    Args:
        tables: the tables of the work folder; METRICS may be missing.
        metrics: all figures of the run; their methods belong to one job.
        run_id, seed: of the run.
        model_id: "" for figures that belong to no model, such as those of words.

    Returns:
        The number of rows written.

    Raises:
        ValueError: the figures belong to several jobs, or one is not finite.
    """
    rows = list(metrics)
    if strange := [row for row in rows if not isfinite(row.value)]:
        raise ValueError(f"a figure is not finite: {strange[0]}")
    methods = {row.method for row in rows}
    single = methods & {*METHODS_OF_OTHER_JOBS}
    if single and len(methods) > 1:
        raise ValueError(f"want figures of one job, got methods {sorted(methods)}")
    if not rows and (not model_id or not tables.exists("metrics")):
        return 0
    others = ", ".join(f"'{method}'" for method in METHODS_OF_OTHER_JOBS)
    mine = f"method = '{single.pop()}'" if single else f"method NOT IN ({others})"
    where = f"model_id = '{model_id}' AND {mine}"
    if not rows:
        tables.delete("metrics", F.expr(where))
        return 0
    df = tables.spark.createDataFrame(
        [_values(row, seed) for row in rows], VALUE_COLUMNS
    ).withColumns({"run_id": F.lit(run_id), "model_id": F.lit(model_id)})
    return tables.overwrite("metrics", df.select(*METRICS.names).coalesce(1), where=where)


def read_measurements(tables: Tables, model_id: str) -> list[Measurement]:
    """Return the figures of a model, and those of words and labels, which belong to no model.

    A figure with several seeds is given as their mean. Without METRICS there are no figures.

    Raises:
        InputError: there are more than MAX_METRICS figures.
    """
    if not tables.exists("metrics"):
        return []
    of_words = F.col("method").isin(*METHODS_WITHOUT_MODEL)
    rows = tables.read("metrics").where((F.col("model_id") == model_id) | of_words)
    columns = ("method", "photo_set", "candidate_set", "metric")
    texts = [F.coalesce(name, F.lit("")).alias(name) for name in columns]
    of_seeds = rows.groupBy(*texts, "k").agg(F.avg("value").alias("value"))
    found = of_seeds.limit(MAX_METRICS + 1).collect()
    if len(found) > MAX_METRICS:
        raise InputError(
            f"METRICS have more than {MAX_METRICS:,} figures of {model_id or 'no model'}: evaluate "
            "fewer photo sets, candidates or k"
        )
    return [Measurement(*row) for row in found]


def _values(row: Metric, seed: int) -> tuple[object, ...]:
    own = seed if row.seed is None else row.seed
    return row.method, row.photo_set, row.candidate_set, row.metric, row.k, float(row.value), own
