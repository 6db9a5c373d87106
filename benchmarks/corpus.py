"""The text for the benchmarks of word vectors, and the tests of the vectors."""

import os
import subprocess
import sys
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("DEVISE_DATA", ROOT / ".." / "shared" / "data")).resolve()
ANALOGIES = str(DATA / "wordsim" / "questions-words.txt")
PAIRS = [str(DATA / "wordsim" / f"EN-{name}.txt") for name in ("WS-353-ALL", "SIMLEX-999")]
RESTRICT_VOCAB = 30_000


def make_sentences(work_dir: Path) -> str:
    """Makes SENTENCES of the 12,980 articles of conf/real.toml by the jobs; returns the table's
    path.
    """
    run_jobs(work_dir, "parse_wikipedia", "prepare_corpus")
    return str(work_dir / "tables" / "sentences")


def run_jobs(work_dir: Path, first: str, last: str, *overrides: str) -> None:
    """Runs a part of the flow of conf/real.toml as a separate program."""
    environment = {**os.environ, "DEVISE_DATA": str(DATA)}
    command = job_command(work_dir, first, last, *overrides)
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


def job_command(work_dir: Path, first: str, last: str, *overrides: str) -> list[str]:
    """Returns the command that runs the jobs of conf/real.toml from `first` to `last`, in ROOT."""
    settings = [f"work_dir={work_dir}", "spark.driver.memory=2g", *overrides]
    command = [sys.executable, "-m", "devise_lib.pipeline", "--config", "conf/real.toml"]
    command += ["--from", first, "--to", last]
    return command + [word for setting in settings for word in ("--set", setting)]


def share_of(spark: SparkSession, path: str, articles: float) -> DataFrame:
    """Returns the sentences of a share of the articles, the same ones at each call."""
    sentences = spark.read.format("delta").load(path)
    return sentences.where(F.pmod(F.xxhash64("page_id"), F.lit(1_000)) < int(articles * 1_000))


def write_lines(sentences: DataFrame, path: Path) -> int:
    """Writes a text file with one sentence per line, in the articles' order; returns its words."""
    ordered = sentences.orderBy(F.length("page_id"), "page_id", "position").select("tokens")
    words = 0
    with path.open("w", encoding="utf-8") as file:
        for (tokens,) in ordered.toLocalIterator():
            words += len(tokens)
            file.write(" ".join(tokens) + "\n")
    return words
