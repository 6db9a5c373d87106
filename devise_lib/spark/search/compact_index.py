"""Folds the segments of a published index, range by range of its lists."""

from dataclasses import replace
from functools import partial

from devise_lib.config.search import BuildIndex
from devise_lib.console import print_line
from devise_lib.index.building.assembly import ASSEMBLED, BUNDLE
from devise_lib.index.building.compaction import (
    CompactionPlan,
    assemble_compact,
    compact_segment,
    write_compact_layout,
    write_compact_part,
)
from devise_lib.index.building.drift import what_is_due
from devise_lib.index.building.merging import LAYOUT
from devise_lib.index.building.plan import part_name
from devise_lib.index.bundle import Bundle, drop_drafts, index_root, publish_next, read_current
from devise_lib.index.factory import IndexKey
from devise_lib.index.index_file import VERSION
from devise_lib.spark.search.build_index import files_of
from devise_lib.spark.search.index_plan import CODE, memory_for
from devise_lib.spark.search.index_steps import drop_damaged, write_parts
from devise_lib.spark.search.step_runner import StepRunner
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.storage.folders import share_file
from devise_lib.storage.stores import clean_up

DRAFT = ".compact-"  # how the folder of an unfinished compaction begins


def compact_bundle(tables: Tables, config: BuildIndex, model_id: str, run_id: str) -> Bundle:
    """Fold the segments of the published index into one, without the vectors that are removed.

    Publishes a new bundle, or returns the old one if there is nothing to fold.

    Args:
        tables: of the session; no table is read.
        config: of the job.
        model_id: of the index.
        run_id: of MLflow, for the bundle's manifest.

    Raises:
        InputError: there is no index, or it is of another model.
    """
    bundle = read_current(config.work_dir)
    bundle.require_model(model_id)
    old = bundle.manifest
    if len(old.segments) == 1 and old.segments[0].listed == old.n:
        print_line(f"{config.name}  {bundle.name} has nothing to fold")
        return bundle
    memory = memory_for(config, IndexKey.parse(old.index_key), old.dimension)
    root = index_root(config.work_dir)
    folder = f"{root}/{DRAFT}{bundle.name}"
    drop_drafts(root, DRAFT, keep=folder)
    part_bytes = memory.part_bytes // 2  # is held twice more
    plan = CompactionPlan(folder, bundle.folder, part_bytes, CODE)
    runner = StepRunner(tables.spark, old.dimension)
    parts_before = plan.done(LAYOUT)
    numbers = range(parts_before.values["parts"] if parts_before else 0)
    drop_damaged(runner, plan, [[LAYOUT], [part_name(n) for n in numbers], [ASSEMBLED]])
    if plan.done(LAYOUT) is None:
        runner.one(LAYOUT, partial(write_compact_layout, plan))
    if plan.done(ASSEMBLED) is None:
        write_parts(runner, plan, write_compact_part, assemble_compact)
    assembled = plan.require(ASSEMBLED)
    kept = {path: about for path, about in old.files.items() if "/" not in path}
    # Folding cures no drift but that of removed rows.
    drift = old.drift and {**old.drift, "removed_share": 0.0}
    manifest = replace(
        old,
        run_id=run_id,
        segments=(compact_segment(bundle),),
        drift=drift,
        costs=runner.costs.of,
        faiss_version=VERSION,
        files=kept | files_of(assembled),
    )
    manifest = replace(manifest, due=what_is_due(manifest, drift).mode if drift else "")
    runner.warn(config.max_memory_gib)
    for path in kept:
        share_file(f"{bundle.folder}/{path}", plan.path(f"{BUNDLE}/{path}"))
    made = publish_next(plan.path(BUNDLE), bundle, manifest, root, config.keep_bundles)
    clean_up(plan.folder)
    return made
