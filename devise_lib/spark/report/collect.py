"""Reads from the tables what the report shows, bounded by its configuration."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from pyspark.sql import functions as F

from devise_lib import __version__, tracking
from devise_lib.config.registry import JOBS
from devise_lib.config.reporting import Report
from devise_lib.errors import InputError
from devise_lib.index.bundle import read_current
from devise_lib.lsh.buckets import LEAST_BALANCE, TableStatistics, advise
from devise_lib.paths import absolute
from devise_lib.report.content import (
    Content,
    Header,
    JobTime,
    Refused,
)
from devise_lib.report.search_content import (
    HashSpread,
    HashTable,
    IndexFigures,
)
from devise_lib.run_record import read_record
from devise_lib.spark.report.galleries import collect_galleries
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.metrics_table import read_measurements
from devise_lib.tracking_store import store_in

PACKAGES = (
    "pyspark",
    "delta-spark",
    "petastorm",
    "horovod",
    "tensorflow-cpu",
    "tensorflow",
    "keras",
    "gensim",
    "faiss-cpu",
    "faiss-gpu",
    "datasketch",
    "mlflow",
)
MAX_REASONS = 100


def collect(
    tables: Tables, config: Report, model_id: str, training_run_id: str, report_run_id: str
) -> Content:
    """Return everything that the page shows of one model.

    Args:
        tables: of the work folder.
        config: of the job.
        model_id: of the model.
        training_run_id: MLflow run of the model's training, which has its plots.
        report_run_id: MLflow run of the report.

    Raises:
        InputError: PHOTOS, LABELS or EMBEDDINGS is missing, or has nothing of the model.
    """
    shown = collect_galleries(tables, config, model_id)
    return Content(
        header=Header(
            model_id=model_id,
            training_run_id=training_run_id,
            report_run_id=report_run_id,
            made=datetime.now(UTC),
            seed=config.seed,
            work_dir=absolute(config.work_dir),
            photos=tables.read("photos").count(),
            embedded=shown.embedded,
            labels=shown.labels,
            unseen_labels=shown.unseen_labels,
            articles=_count(tables, "articles", "redirect IS NULL"),
            words=_count(tables, "word_vectors", "TRUE"),
            versions=[("devise-spark", __version__), *_versions()],
        ),
        metrics=read_measurements(tables, model_id),
        gallery=shown.gallery,
        gallery_is_unseen=shown.gallery_is_unseen,
        queries=shown.queries,
        neighbours=shown.neighbours,
        duplicates=shown.duplicates,
        map_points=shown.map_points,
        search=shown.search,
        index=_index(config.work_dir, model_id),
        hash_spread=_hash_spread(tables, model_id),
        quarantine=_quarantine(tables, model_id),
        jobs=_jobs(config.work_dir),
        cores=tables.spark.sparkContext.defaultParallelism,
        core_hour_price=config.core_hour_price,
        mlflow_command=_mlflow_command(config),
        training_plots=tracking.fetch_plots(training_run_id),
    )


def _count(tables: Tables, name: str, condition: str) -> int | None:
    return tables.read(name).where(condition).count() if tables.exists(name) else None


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue  # Of a pair for CPU and GPU one is missing.
    return [("python", ".".join(map(str, sys.version_info[:3]))), *found]


def _index(work_dir: str, model_id: str) -> IndexFigures | None:
    try:
        bundle = read_current(work_dir)
    except InputError:
        return None  # The page says that there is no index.
    manifest = bundle.manifest
    if manifest.model_id != model_id:
        return None
    return IndexFigures(
        name=bundle.name,
        key=manifest.index_key,
        vectors=manifest.n,
        parameters=manifest.parameters,
        k=manifest.k,
        recall=manifest.point.recall,
        low=manifest.point.low,
        high=manifest.point.high,
        queries_per_s=manifest.point.queries_per_s,
        curve=[(point.queries_per_s, point.recall) for point in manifest.curve],
        target=manifest.recall_target,
    )


def _hash_spread(tables: Tables, model_id: str) -> HashSpread | None:
    """Return what BUCKET_STATISTICS has of a model, a row per hash table; None if it has none."""
    if not tables.exists("bucket_statistics"):
        return None
    names = [each.name for each in fields(TableStatistics)]
    rows = tables.of_model("bucket_statistics", model_id).orderBy("table").collect()
    if not rows:
        return None
    statistics = [TableStatistics(*(row[name] for name in names)) for row in rows]
    hash_id = rows[0]["hash_id"]
    kind = _kind_of_hash(tables, hash_id)
    return HashSpread(
        hash_id=hash_id,
        kind=kind,
        photos=statistics[0].photos,
        bucket_bits=statistics[0].bits,
        least_balance=LEAST_BALANCE,
        tables=[
            HashTable(
                number=row["table"],
                largest_share=each.largest_share,
                candidates=each.expected_candidates,
                entropy=each.entropy,
                possible_entropy=each.possible_entropy,
                balance=each.balance,
            )
            for row, each in zip(rows, statistics, strict=True)
        ],
        advice=advise(statistics, kind) if kind else [],
    )


def _kind_of_hash(tables: Tables, hash_id: str) -> str:
    """Return how a hash was made; "" if HASHES does not have it."""
    if not tables.exists("hashes"):
        return ""
    row = tables.read("hashes").where(F.col("hash_id") == hash_id).first()
    return row["kind"] if row else ""


def _quarantine(tables: Tables, model_id: str) -> list[Refused]:
    """Return refused photos by stage and reason; refusals by other models are left out."""
    if not tables.exists("quarantine"):
        return []
    of_model = F.coalesce("model_id", F.lit(model_id)) == model_id
    texts = [F.coalesce(name, F.lit("")).alias(name) for name in ("path", "message")]
    groups = (
        tables.read("quarantine")
        .where(of_model)
        .groupBy("stage", "reason")
        .agg(F.count("*").alias("n"), F.min(F.struct(*texts)).alias("example"))
        .orderBy(F.desc("stage"), F.desc("n"), "reason")
        .limit(MAX_REASONS)
    )
    return [
        Refused(row["stage"], row["reason"], row["n"], *row["example"]) for row in groups.collect()
    ]


def _jobs(work_dir: str) -> Sequence[JobTime]:
    """Return the finished jobs in the order of the flow, without the report, which still runs."""
    records = (read_record(work_dir, job.name) for job in JOBS if job is not Report)
    return [
        JobTime(r.job, r.seconds, r.row_text(), datetime.fromtimestamp(r.finished, UTC), r.run_id)
        for r in records
        if r is not None
    ]


def _mlflow_command(config: Report) -> str:
    """Return the command for MLflow on the work folder's store; another store may be secret."""
    if config.tracking_uri:
        return ""
    store = store_in(config.work_dir)
    return shlex.join(["mlflow", "ui", "--backend-store-uri", store])
