"""Generates the demo's sample: a dump, photos and labels of a small world.

in   nothing
out  make_sample.folder: wiki/, photos/, labels.tsv, hierarchy.txt, similarities.tsv, broken.tsv

    python jobs/make_sample.py --config conf/local.toml --set make_sample.photos=300
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.sample import MakeSample

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(MakeSample)

from pyspark.sql import SparkSession

from devise_lib.paths import absolute
from devise_lib.sample.files import write_broken, write_world_files
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.sample import write_in_tasks
from devise_lib.storage.folders import written_to


def run(spark: SparkSession, config: MakeSample) -> dict[str, int]:
    """Write the files of the sample; returns articles and photos."""
    folder = absolute(config.folder)
    with written_to(folder) as local:
        write_world_files(local, config.seed)
        write_broken(local, config.seed)
    photos = write_in_tasks(spark, folder, config.articles, config.photos, config.seed)
    return {"articles": config.articles, "photos": photos}


if __name__ == "__main__":
    run_job(run, MakeSample)
