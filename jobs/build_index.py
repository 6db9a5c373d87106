"""Builds an index of the embeddings of one model, as a bundle that plain faiss opens.

in   EMBEDDINGS of the model and PHOTOS, which says which are gone, at one version of each; LABELS
     and WORD_VECTORS to carry along
out  {work_dir}/index/<bundle>, named by {work_dir}/index/CURRENT; METRICS: recall of the index;
     QUARANTINE: embeddings that cannot be indexed

    python jobs/build_index.py --config conf/local.toml --set build_index.recall_target=0.99
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.search import BuildIndex

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(BuildIndex)

from functools import partial

from pyspark.sql import SparkSession

from devise_lib import model_store, tracking
from devise_lib.console import print_line
from devise_lib.spark.embed.current_models import warn_if_incomplete
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.search.build_index import build_bundle, log_bundle, write_recall
from devise_lib.spark.search.carried import Carried
from devise_lib.spark.search.compact_index import compact_bundle
from devise_lib.spark.search.update_index import update_bundle
from devise_lib.spark.tables.delta_tables import Tables


def run(spark: SparkSession, config: BuildIndex) -> dict[str, int]:
    """Build, update or compact the index and publish it; returns vectors, lists, rejected ones."""
    model = tracking.find_registered(config.model_name, config.model)
    run_id = tracking.current_run_id()
    tables = Tables.of(spark, config, run_id=run_id, model_id=model.model_id)
    tables.read("embeddings")  # The error for a missing table names the job that writes it.
    warn_if_incomplete(tables, model.model_id, config.name)
    if config.mode == "compact":
        bundle = compact_bundle(tables, config, model.model_id, run_id)
    else:
        network = partial(model_store.fetch_network, model) if config.carry_network else None
        work = build_bundle if config.mode == "rebuild" else update_bundle
        carried = Carried(config.carry_words, model.words_id, network)
        bundle = work(tables, config, model.model_id, run_id, carried)
    write_recall(tables, bundle)
    log_bundle(bundle)
    made = bundle.manifest
    print_line(f"{config.name}  {made.quality()}")
    rejected = {"embeddings rejected": sum(made.rejected.values())}
    counts = {"vectors": made.n, "lists": made.nlist, "lists probed": made.settings.nprobe}
    return counts | {name: count for name, count in rejected.items() if count}


if __name__ == "__main__":
    run_job(run, BuildIndex)
