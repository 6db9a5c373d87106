"""Builds an index bundle from EMBEDDINGS, and publishes it (see `index_steps`)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib import tracking
from devise_lib.command_line import find_input_error
from devise_lib.config.search import BuildIndex
from devise_lib.errors import InputError
from devise_lib.index.building.assembly import ASSEMBLED, BUNDLE
from devise_lib.index.building.plan import BuildPlan
from devise_lib.index.building.products import Product
from devise_lib.index.building.shards import REJECTED
from devise_lib.index.building.tuning import Goal, Tuned
from devise_lib.index.bundle import Bundle, index_root, publish
from devise_lib.index.factory import METRIC
from devise_lib.index.index_file import VERSION
from devise_lib.index.manifest import (
    CURVE_FILE,
    MANIFEST_FILE,
    FileAbout,
    Manifest,
    Segment,
)
from devise_lib.reasons import worst_reason
from devise_lib.report.plots import draw_recall
from devise_lib.spark.platform.literal_paths import read_parquet
from devise_lib.spark.platform.stores import spark_path
from devise_lib.spark.search.carried import NOTHING, Carried, carry
from devise_lib.spark.search.index_plan import make_plan, max_mapped, promise_of, versions_of
from devise_lib.spark.search.index_steps import IndexBuild
from devise_lib.spark.search.index_tasks import run_tuning
from devise_lib.spark.search.step_runner import Costs
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.embedded_photos import embeddings_of
from devise_lib.spark.tables.schemas import METRICS, QUARANTINE
from devise_lib.storage.stores import clean_up, store_files

FLOOR = "1.11.0"  # the first faiss that maps all kinds of files (IO_FLAG_MMAP_IFC)
STAGE = "build_index"  # of rows in QUARANTINE
MODES = ("rebuild", "compact")  # that a drift may ask for


def build_bundle(
    tables: Tables, config: BuildIndex, model_id: str, run_id: str, carried: Carried = NOTHING
) -> Bundle:
    """Index the embeddings of a model, publish the bundle, and return it.

    Args:
        tables: with EMBEDDINGS; LABELS and WORD_VECTORS for words.
        config: of the job.
        model_id: of the embeddings.
        run_id: of MLflow, for the bundle's manifest.
        carried: what the bundle carries beside the index.

    Raises:
        InputError: there is nothing to index, the budget is too small, too many embeddings are
            rejected, or no settings keep the promise.
    """
    plan = make_plan(tables, config, model_id)
    try:
        bundle = _build(tables, config, plan, run_id, carried)
    except Exception as error:
        if find_input_error(error):  # not a fault of a machine, which another run may not have
            plan.mark_failed(promise_of(config))
        raise
    plan.close()
    clean_up(plan.folder)
    return bundle


def _build(
    tables: Tables, config: BuildIndex, plan: BuildPlan, run_id: str, carried: Carried
) -> Bundle:
    embeddings = embeddings_of(tables, plan.model_id, versions_of(plan))
    build = IndexBuild(embeddings, plan)
    shards = build.run()
    quarantine(tables, embeddings, plan, run_id, shards)
    check_rejected(count_reasons(shards), plan.rows, config)
    beside = carry(build.runner, tables, plan, carried)
    goal = Goal(config.recall_target, config.max_latency_ms)
    tuning = partial(run_tuning, plan, goal, max_mapped(config))
    tuned = Tuned.from_json(build.runner.one("tuned", tuning))
    manifest = _manifest(plan, config, run_id, tuned, shards, beside, build.runner.costs)
    build.runner.warn(config.max_memory_gib)
    speeds = [(point.queries_per_s, point.recall) for point in tuned.curve]
    chosen = tuned.point.queries_per_s, tuned.point.recall
    curve = draw_recall(speeds, chosen, config.recall_target, tuned.k)
    root = index_root(config.work_dir)
    return publish(plan.path(BUNDLE), manifest, curve, root, config.keep_bundles)


def files_of(product: Product) -> dict[str, FileAbout]:
    """Return the files that a step has put into the bundle, by their paths in it."""
    return {
        path.removeprefix(f"{BUNDLE}/"): FileAbout(about.size, about.sha256)
        for path, about in product.files.items()
    }


def count_reasons(shards: Sequence[Product]) -> dict[str, int]:
    """Return the number of rejected embeddings by reason."""
    found: Counter[str] = Counter()
    for shard in shards:
        found.update(shard.values["rejected"])
    return dict(found)


def check_rejected(rejected: Mapping[str, int], total: int, config: BuildIndex) -> None:
    """Raise InputError if too large a share of `total` embeddings cannot be indexed."""
    if worst := worst_reason(rejected, total, config.max_bad_share):
        raise InputError(
            f"{sum(rejected.values())} of {total} embeddings cannot be indexed, above "
            f"build_index.max_bad_share = {config.max_bad_share}; most often {worst} "
            f"({rejected[worst]}). QUARANTINE has them with the stage build_index: look at the "
            "model, or raise the share"
        )


def segment_of(plan: BuildPlan, assembled: Product, first_row: int) -> Segment:
    """Return the segment that a plan has built."""
    found = assembled.values
    return Segment(
        name=plan.segment,
        first_row=first_row,
        rows=found["n"],
        listed=found["n"],
        table_version=plan.table_version,
        imbalance=found["imbalance"],
        residuals=(found["residual"],),
    )


def _manifest(
    plan: BuildPlan,
    config: BuildIndex,
    run_id: str,
    tuned: Tuned,
    shards: Sequence[Product],
    beside: Sequence[Product],
    costs: Costs,
) -> Manifest:
    key, assembled = plan.index_key, plan.require(ASSEMBLED)
    n = int(assembled.values["n"])
    return Manifest(
        model_id=plan.model_id,
        table="embeddings",
        table_version=plan.table_version,
        run_id=run_id,
        n=n,
        dimension=plan.dimension,
        metric=METRIC,
        normalisation="l2",
        index_key=plan.key,
        nlist=key.nlist,
        bytes_per_vector=key.bytes_per_vector(plan.dimension),
        settings=tuned.point.settings,
        parameters=str(tuned.point.settings),
        k=tuned.k,
        queries=tuned.queries,
        threads=tuned.threads,
        recall_target=config.recall_target,
        max_latency_ms=config.max_latency_ms,
        point=tuned.point,
        curve=tuned.curve,
        seed=plan.seed,
        segments=(segment_of(plan, assembled, first_row=0),),
        removed=0,
        rejected=count_reasons(shards),
        drift={},
        due="",
        words=sum(product.values.get("words", 0) for product in beside),
        labels=sum(product.values.get("labels", 0) for product in beside),
        costs=costs.of,
        faiss_version=VERSION,
        faiss_floor=FLOOR,
        files=dict(pair for each in (assembled, *beside) for pair in files_of(each).items()),
    )


def quarantine(
    tables: Tables,
    embeddings: DataFrame,
    plan: BuildPlan,
    run_id: str,
    shards: Sequence[Product],
    keep: str = "",
) -> None:
    """Replace the rows of this job and model in QUARANTINE by those that could not be indexed.

    Args:
        tables: with QUARANTINE.
        embeddings: of the model.
        plan: of the build.
        run_id: of MLflow.
        shards: of the build, which have the rejected ones.
        keep: a reason whose rows stay, unless their photos are rejected anew; "" for none.
    """
    stage = f"stage = '{STAGE}' AND model_id = '{plan.model_id}'"
    had = tables.exists("quarantine") and not tables.read("quarantine").where(stage).isEmpty()
    files = [plan.path(p) for shard in shards for p in shard.files if p.endswith(REJECTED)]
    if not files and not had:
        return
    spark = tables.spark
    if files:
        refused = read_parquet(spark, *(spark_path(spark, file) for file in files))
    else:
        refused = spark.createDataFrame([], "photo_id string, reason string, message string")
    about = embeddings.select("photo_id", "photo_set", "sha256").dropDuplicates(["photo_id"])
    columns = {field.name: F.lit(None).cast(field.dataType) for field in QUARANTINE.fields}
    known = {"stage": F.lit(STAGE), "model_id": F.lit(plan.model_id), "run_id": F.lit(run_id)}
    rows = refused.join(about, "photo_id", "left")
    extra = {n: c for n, c in (columns | known).items() if n not in rows.columns}
    rows = rows.withColumns(extra).select(*columns)
    if had and keep:
        kept = tables.read("quarantine").where(stage).where(F.col("reason") == keep)
        rows = rows.unionByName(kept.select(*columns).join(rows, "photo_id", "left_anti"))
    tables.overwrite("quarantine", rows, where=stage)


def write_recall(tables: Tables, bundle: Bundle) -> None:
    """Write the recall of the index to METRICS, in place of that of the model's last index."""
    made = bundle.manifest
    row = {
        "run_id": made.run_id,
        "model_id": made.model_id,
        "method": "ivf",
        "photo_set": "all",
        "candidate_set": "exact_search",
        "metric": "recall",
        "k": made.k,
        "value": made.point.recall,
        "seed": made.seed,
    }
    rows = tables.spark.createDataFrame([row], METRICS)
    tables.overwrite("metrics", rows, where=f"model_id = '{made.model_id}' AND method = 'ivf'")


def log_bundle(bundle: Bundle) -> None:
    """Give the run the bundle's figures, manifest and plot; the index itself stays where it is."""
    made, point = bundle.manifest, bundle.manifest.point
    tracking.log_params(
        {
            "bundle": bundle.name,
            "built_index_key": made.index_key,
            "model_id": made.model_id,
            "search_parameters": made.parameters,
        }
    )
    tracking.log_metrics(
        {
            f"recall_at_{made.k}": point.recall,
            "recall_low": point.low,
            "recall_high": point.high,
            "nprobe": float(made.settings.nprobe),
            "queries_per_s": point.queries_per_s,
            "latency_ms": point.latency_ms,
            "imbalance": made.segments[0].imbalance,
        }
    )
    tracking.log_metrics({f"drift_{name}": value for name, value in made.drift.items()})
    tracking.log_metrics({f"{mode}_due": float(made.due == mode) for mode in MODES})
    for step, cost in made.costs.items():
        tracking.log_metrics(
            {f"{step}_task_s": cost.seconds, f"{step}_peak_mib": cost.peak_bytes / 2**20}
        )
    for name in (MANIFEST_FILE, CURVE_FILE):
        content = store_files().read(f"{bundle.folder}/{name}") or b""
        tracking.log_text(f"index/{name}", content.decode())
