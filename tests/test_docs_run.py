"""README and docs name commands, files and keys that there are; their code runs on a small run."""

import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import get_args

import duckdb
import pytest
from deltalake import DeltaTable

from devise_lib.backbone_catalog import network_type
from devise_lib.config.loader import JOB_TYPES, load_settings
from devise_lib.config.registry import JOBS
from devise_lib.config.types import LabelSet
from devise_lib.reasons import Reason

ROOT = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
}
README = PAGES["README.md"]
EVERYTHING = "\n\n".join(PAGES.values())
LABEL_SETS = get_args(get_args(LabelSet)[0])
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
OWN_CONFIG = "my.toml"  # of a reader: the configuration that the page has shown last


def blocks(language: str, text: str) -> list[str]:
    """The fenced blocks of a language, also those of list items."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", code, flags=re.MULTILINE) for indent, code in found]


def blocks_by_page(language: str) -> list:
    return [
        pytest.param(code, id=f"{page}-{number}")
        for page, text in PAGES.items()
        for number, code in enumerate(blocks(language, text))
    ]


def commands(text: str) -> list[str]:
    """Every command line of the bash blocks, continued lines joined, comments left out."""
    lines = "\n".join(blocks("bash", text)).replace("\\\n", " ").splitlines()
    return [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]


COMMANDS = [(page, line) for page, text in PAGES.items() for line in commands(text)]


def overrides_of(words: list[str]) -> list[str]:
    return [after for word, after in pairwise(words) if word == "--set"]


def test_every_job_is_in_the_table_in_the_order_of_the_flow():
    assert re.findall(r"^\| `(\w+)`(?: \(\*\))? \|.*\|.*\|$", README, re.MULTILINE)[
        : len(JOBS)
    ] == [job.name for job in JOBS]


def test_the_jobs_that_want_a_table_in_the_file_are_marked():
    marked = set(re.findall(r"^\| `(\w+)` \(\*\) \|", README, re.MULTILINE)) | {"make_sample"}
    assert marked == {job.name for job in JOBS if job.opt_in}


def test_every_make_target_exists():
    targets = [line.split()[1] for _, line in COMMANDS if line.startswith("make ")]
    assert {"demo", "test", "real"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target


@pytest.mark.parametrize(("page", "line"), [each for each in COMMANDS if "--config" in each[1]])
def test_every_command_names_files_jobs_and_keys_that_there_are(page, line, monkeypatch, tmp_path):
    words = shlex.split(line)
    config = ROOT / words[words.index("--config") + 1]
    if config.name == OWN_CONFIG:
        shown = PAGES[page].partition(f"--config {OWN_CONFIG}")[0]
        config = tmp_path / OWN_CONFIG
        config.write_text(blocks("toml", shown)[-1], encoding="utf-8")
    for name in re.findall(r"\$\{(\w+)", config.read_text(encoding="utf-8")):
        monkeypatch.setenv(name, str(tmp_path))
    assert load_settings(config, overrides_of(words), []).path == config
    for program in (word for word in words if word.startswith("jobs/")):
        assert (ROOT / program).exists()
    for option, value in pairwise(words):
        if option in ("--from", "--to", "--only"):
            assert value in JOB_TYPES
        if option == "--retry":
            assert value in list(Reason)
        if option == "--properties-file":
            assert (ROOT / value).exists()


def test_the_backbones_are_those_that_there_are():
    for row in rows_below("| `train_backbone.backbone` |"):
        names, pixels, *_ = row.strip("| ").split(" | ")
        sizes = [
            network_type(n).image_size for n in re.findall(r"`(\w[\w.]*)`", names) if n[0] != "_"
        ]
        shown = [int(size) for size in re.findall(r"\d+", pixels)]
        assert sizes
        assert not shown or {sizes[0], sizes[-1]} == set(shown), row


def rows_below(head: str) -> list[str]:
    """The rows of the table that begins so, which one page has."""
    assert EVERYTHING.count(f"\n{head}") == 1, head
    return EVERYTHING.split(f"\n{head}")[1].split("\n\n")[0].splitlines()[2:]


def test_the_kinds_of_label_sets_are_those_that_there_are():
    rows = "\n".join(rows_below("| `kind` of `[[label_sets]]` |"))
    kinds = {get_args(each.model_fields["kind"].annotation)[0] for each in LABEL_SETS}
    assert set(re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)) == kinds


@pytest.mark.parametrize("text", blocks_by_page("toml"))
def test_the_configurations_have_keys_that_there_are(text, tmp_path):
    path = tmp_path / "some.toml"
    path.write_text(text, encoding="utf-8")
    assert load_settings(path, [], []).path == path


@pytest.mark.slow
@pytest.mark.parametrize("code", blocks_by_page("python"))
def test_the_python_blocks_run(code, small_run):
    done = subprocess.run(
        [sys.executable, "-c", code.replace("work/demo", str(small_run))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


SEARCHES = [line for _, line in COMMANDS if "-m devise_lib.search " in line]


@pytest.mark.slow
@pytest.mark.parametrize("line", SEARCHES)
def test_the_searches_run(line, small_run):
    """In a shell, which finds the files of photos."""
    line = line.replace("work/demo", str(small_run)).replace(".venv/bin/python", sys.executable)
    done = subprocess.run(
        ["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) > 3


QUERIES = blocks("sql", EVERYTHING)
TABLES = ["photos", "quarantine", "labels", "embeddings", "current_models"]
TABLES += ["predictions", "neighbours", "metrics", "duplicate_groups"]


def may_be_empty(query: str) -> bool:
    """Whether a query asks for what a model of two epochs may not find: a label, or duplicates."""
    return "zebra" in query or "duplicate_groups" in query


@pytest.mark.slow
def test_the_queries_run_in_duckdb(small_run):
    with duckdb.connect() as db:
        for name in TABLES:
            db.register(name, DeltaTable(small_run / "tables" / name).to_pyarrow_dataset())
        for query in QUERIES:
            assert db.sql(query).fetchall() or may_be_empty(query), query


@pytest.mark.spark
@pytest.mark.slow
def test_the_queries_run_in_spark(small_run, spark):
    """They say that they run in both engines, whose SQL differs."""
    for name in TABLES:
        table = spark.read.format("delta").load(str(small_run / "tables" / name))
        table.createOrReplaceTempView(name)
    for query in QUERIES:
        assert spark.sql(query).collect() or may_be_empty(query), query
    for name in TABLES:
        spark.catalog.dropTempView(name)
