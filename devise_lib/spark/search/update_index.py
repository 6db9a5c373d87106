"""Keeps a published index up to date without training: adds new photos, and takes out removed ones.

A bundle does not change. An update makes a new one, which shares the old one's files by links, or
by copies within a store.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from pyspark.sql import functions as F

from devise_lib.config.search import BuildIndex
from devise_lib.console import print_line
from devise_lib.errors import InputError
from devise_lib.index.building.arrays import StoredArray, save_array
from devise_lib.index.building.assembly import ASSEMBLED, BUNDLE
from devise_lib.index.building.drift import OF_FRESH, measure_drift, what_is_due
from devise_lib.index.building.plan import (
    BuildPlan,
    Plan,
)
from devise_lib.index.building.products import Product
from devise_lib.index.building.shards import Queries
from devise_lib.index.bundle import (
    Bundle,
    drop_drafts,
    fetch_bundle,
    index_root,
    is_published,
    publish_next,
    read_current,
)
from devise_lib.index.factory import IndexKey
from devise_lib.index.index_file import VERSION
from devise_lib.index.manifest import REMOVED_FILE, Manifest
from devise_lib.index.reader import SearchIndex
from devise_lib.reasons import Reason
from devise_lib.spark.search.build_index import (
    build_bundle,
    check_rejected,
    count_reasons,
    files_of,
    quarantine,
    segment_of,
)
from devise_lib.spark.search.carried import NOTHING, Carried
from devise_lib.spark.search.index_plan import CODE, Size, count_shards, max_mapped, memory_for
from devise_lib.spark.search.index_steps import IndexBuild
from devise_lib.spark.search.indexed_photos import changes
from devise_lib.spark.search.step_runner import Batches, Cost, StepRunner
from devise_lib.spark.tables.caching import on_disk
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.embedded_photos import Versions, embeddings_of
from devise_lib.storage.folders import share_file
from devise_lib.storage.stores import clean_up, store_files

DRIFT_QUERIES = 200  # new photos
DRAFT = ".update-"  # how the folder of an unfinished update begins


def update_bundle(
    tables: Tables, config: BuildIndex, model_id: str, run_id: str, carried: Carried = NOTHING
) -> Bundle:
    """Add the photos that are new in EMBEDDINGS to the published index, and take out removed ones.

    If there is no index yet, it is built. New photos become a delta segment, encoded with the
    centroids and codes of the base. Publishes a new bundle, or returns the old one if nothing has
    changed.

    Args:
        tables: with EMBEDDINGS.
        config: of the job.
        model_id: of the embeddings.
        run_id: of MLflow, for the bundle's manifest.
        carried: what a first bundle carries beside the index.

    Raises:
        InputError: the published index is of another model, or too many embeddings are rejected.
    """
    if not is_published(config.work_dir):
        return build_bundle(tables, config, model_id, run_id, carried)
    bundle = read_current(config.work_dir)
    bundle.require_model(model_id)
    versions = Versions.newest(tables, config.table_version)
    embeddings = embeddings_of(tables, model_id, versions)
    if embeddings.isEmpty():
        raise InputError(f"EMBEDDINGS has no photo of model {model_id}: run embed_photos with it")
    with on_disk(changes(embeddings, bundle)) as changed:
        [found] = changed.agg(
            F.count_if("is_fresh").alias("fresh"),
            F.count("row").alias("removed"),
            F.max(F.when(F.col("is_fresh"), F.octet_length("photo_id"))).alias("id_bytes"),
        ).collect()
        size = Size(found["fresh"], bundle.manifest.dimension, found["id_bytes"] or 1)
        plan = _plan_delta(tables, config, bundle, versions, size)
        ids = changed.where("is_fresh").select("photo_id")
        fresh = embeddings.join(ids, "photo_id", "left_semi")
        build = IndexBuild(fresh, plan)
        shards = build.run() if found["fresh"] else []
        quarantine(tables, embeddings, plan, run_id, shards, keep=Reason.DUPLICATE_ID)
        check_rejected(count_reasons(shards), bundle.manifest.n + found["fresh"], config)
        added = sum(shard.values["rows"] for shard in shards)
        print_line(f"{config.name}  {added} photos to add, {found['removed']} to take out")
        if not added and not found["removed"]:
            clean_up(plan.folder)
            return bundle
        if found["removed"]:
            gone = changed.where("row IS NOT NULL").select("row")
            in_order = gone.repartition(1).sortWithinPartitions("row")
            build.runner.over("removed", in_order, partial(_write_removed, plan, bundle))
    manifest = _updated(plan, bundle, run_id, added, shards, build.runner)
    if not manifest.n:
        raise InputError(
            f"no embedding of model {model_id} can be indexed any more: see QUARANTINE; the "
            f"published index {bundle.name} stays"
        )
    if not added:
        store_files().remove(plan.path(f"{BUNDLE}/{plan.segment}"))
    _share(bundle, plan, manifest)
    measure = partial(_measure_drift, plan, manifest, max_mapped(config), is_fresh=added > 0)
    fresh = {name: value for name, value in bundle.manifest.drift.items() if name in OF_FRESH}
    drift = fresh | json.loads(build.runner.one("drift", measure))
    build.runner.warn(config.max_memory_gib)
    due = what_is_due(manifest, drift)
    if due.mode:
        print_line(f"{config.name}  the next run wants mode = {due.mode}: {due.reason}")
    manifest = replace(manifest, drift=drift, due=due.mode)
    made = publish_next(
        plan.path(BUNDLE), bundle, manifest, index_root(config.work_dir), config.keep_bundles
    )
    clean_up(plan.folder)
    return made


def _plan_delta(
    tables: Tables, config: BuildIndex, bundle: Bundle, versions: Versions, size: Size
) -> BuildPlan:
    """Return the plan of a delta segment. Other unfinished updates are removed."""
    old = bundle.manifest
    memory = memory_for(config, IndexKey.parse(old.index_key), old.dimension)
    root = index_root(config.work_dir)
    plan = BuildPlan(
        folder=f"{root}/{DRAFT}{bundle.name}-v{versions.embeddings}",
        model_id=old.model_id,
        table_version=versions.embeddings,
        photos_version=versions.photos,
        transactions=versions.transactions,
        key=old.index_key,
        rows=size.rows,
        dimension=old.dimension,
        id_bytes=size.id_bytes,
        shards=count_shards(tables, size.rows, memory),
        part_bytes=memory.part_bytes,
        sample_rows=memory.sample_rows,
        points_per_list=config.points_per_list,
        queries=min(size.rows, DRIFT_QUERIES),
        k=config.k,
        seed=config.seed,
        devices=config.devices,
        asked={"code": CODE},
        segment=f"delta-{len(old.segments):06d}",
        base=bundle.folder,
    )
    drop_drafts(root, DRAFT, keep=plan.folder)
    before = BuildPlan.read(plan.folder)
    # The cores of a cluster decide the number of shards, and may differ from run to run.
    if before is not None and replace(plan, shards=before.shards) == before:
        return before
    plan.write()
    return plan


def _write_removed(plan: Plan, bundle: Bundle, batches: Batches) -> Iterator[Cost]:
    """Write the rows that are no longer found: those of before, and the ones of the batches."""
    with Cost(1) as cost:
        rows = [batch["row"].to_numpy() for batch in batches]
        if before := bundle.manifest.removed:
            rows.append(StoredArray.open(f"{bundle.folder}/{REMOVED_FILE}").rows(0, before))
        path = f"{BUNDLE}/{REMOVED_FILE}"
        removed = np.unique(np.concatenate(rows))
        written = save_array(plan.path(path), removed)
        plan.finish("removed", {path: written}, {"removed": len(removed)})
    yield cost


def _updated(
    plan: BuildPlan,
    bundle: Bundle,
    run_id: str,
    added: int,
    shards: Sequence[Product],
    runner: StepRunner,
) -> Manifest:
    """Return the manifest of the new bundle, but for the drift."""
    old, segments = bundle.manifest, bundle.manifest.segments
    files = dict(old.files)
    if added:
        assembled = plan.require(ASSEMBLED)
        segments = (*segments, segment_of(plan, assembled, first_row=old.rows))
        files |= files_of(assembled)
    rejected = count_reasons(shards)
    if twice := old.rejected.get(Reason.DUPLICATE_ID, 0):
        rejected[Reason.DUPLICATE_ID.value] = twice + rejected.get(Reason.DUPLICATE_ID, 0)
    count, removed = old.removed, plan.done("removed")
    if removed is not None:
        count = removed.values["removed"]
        files |= files_of(removed)
    return replace(
        old,
        table_version=plan.table_version,
        run_id=run_id,
        n=sum(segment.rows for segment in segments) - count,
        segments=segments,
        removed=count,
        rejected=rejected,
        costs=runner.costs.of,
        faiss_version=VERSION,
        files=files,
    )


def _share(bundle: Bundle, plan: Plan, manifest: Manifest) -> None:
    """Put the files of the old bundle that stay into the new one's folder."""
    for path, about in bundle.manifest.files.items():
        if manifest.files[path] == about:
            share_file(f"{bundle.folder}/{path}", plan.path(f"{BUNDLE}/{path}"))


def _measure_drift(plan: BuildPlan, manifest: Manifest, mapped: int, is_fresh: bool) -> str:
    names, vectors = [], np.empty((0, manifest.dimension), np.float32)
    if is_fresh:
        asked = Queries.of(plan)
        names, vectors = asked.photo_ids.tolist(), asked.vectors
    index = SearchIndex(fetch_bundle(Bundle(plan.path(BUNDLE), manifest)), manifest)
    return json.dumps(measure_drift(index, names, vectors, max(manifest.k, 1), mapped))
