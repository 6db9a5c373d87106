"""The published experiments of conf/experiments, run small on generated data of their layout."""

import json
import re
import shlex
import sqlite3
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from deltalake import DeltaTable

from devise_lib.config_file import load_settings
from devise_lib.pipeline import choose_jobs
from tests.conftest import ROOT, run_program
from tests.known_data import AWA2, CIFAR_10, CIFAR_100, SQUEEZENET, SmallWorld, write_keras_2

FILES = sorted((ROOT / "conf" / "experiments").glob("*.toml"))
DATA = re.compile(r"\$\{EXPERIMENTS_DATA:-data\}/([\w.-]+)([\w./-]*)")
CIFAR_CLASSES = 20  # that have photos; the labels are all hundred


def comment_of(path: Path) -> str:
    """What an experiment says of itself, at its top."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(line[1:] for line in lines[: lines.index('seed = 0')] if line[:1] == "#")


def commands_of(path: Path) -> list[list[str]]:
    """The command lines of that, as words."""
    found = re.findall(r"^ +(\S+python -m .*(?:\\\n.*)*)", comment_of(path), re.MULTILINE)
    return [shlex.split(command.replace("\\\n", " ")) for command in found]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_experiment_can_be_used_as_its_comment_says(path, monkeypatch, tmp_path):
    """Every key is there and fits, also with the variants; every file is told to be downloaded."""
    text, comment = path.read_text(encoding="utf-8"), comment_of(path)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for top, below in DATA.findall(text):
        stem = top.split(".")[0]
        assert stem in comment
        assert stem in readme
        place = tmp_path / f"{top}{below}"
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.mkdir()
    monkeypatch.setenv("EXPERIMENTS_DATA", str(tmp_path))
    commands = commands_of(path)
    assert commands
    for words in commands:
        assert words[:3] == [".venv/bin/python", "-m", "devise_lib.pipeline"]
        options = list(pairwise(words))
        assert ("--config", str(path.relative_to(ROOT))) in options
        [start] = [value for option, value in options if option == "--from"] or [None]
        overrides = [value for option, value in options if option == "--set"]
               jobs = choose_jobs(start, None, None)
        assert load_settings(path, overrides, jobs).jobs


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """What the experiments with small photos download."""
    from devise_lib.vision.networks import make_network

    folder = tmp_path_factory.mktemp("data")
    world = SmallWorld([*CIFAR_10, *CIFAR_100, *AWA2])
    world.write_vectors(folder / "wiki-news-300d-1M.vec")
    world.write_cifar_100(folder / "cifar-100-binary", CIFAR_CLASSES, train=24, test=4)
    world.write_cifar_10(folder / "cifar-10-batches-bin", train=1, test=6)
    world.write_awa2(folder / "Animals_with_Attributes2", seen=10, unseen=5, side=64)
    write_keras_2(folder / SQUEEZENET, make_network("squeezenet_1.1", 2, 64), seed=0)
    return folder


def run(experiment: str, data: Path, work: Path, *words: str) -> None:
    """Run the pipeline on an experiment, from `train_word2vec` on or from where `words` say."""
    small = [f"work_dir={work}", "spark.master=local[2]", "spark.driver.memory=2g", *SMALL]
    settings = [word for override in small for word in ("--set", override)]
    config = ("--config", f"conf/experiments/{experiment}.toml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPERIMENTS_DATA", str(data))
        program = ("-m", "devise_lib.pipeline")
        done = run_program(*program, *config, *settings, *words, timeout_s=1_800)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)


SMALL = ("build_index.queries=20", "evaluate.bank=500")
SMALL_CIFAR = (
    "train_backbone.backbone=cifar_resnet_8",
    "train_backbone.epochs=6",
    "train_backbone.batch_size=32",
    "train_backbone.learning_rate=3e-3",
    "extract_features.max_records_per_file=100",
    "train_devise.batch_size=32",
)
SMALL_POSTER = (
    "train_backbone.image_size=64",
    "train_backbone.epochs=4",
    "train_backbone.batch_size=32",
    "extract_features.max_records_per_file=100",
    "export_model.photos=20",
)


def sets(overrides) -> list[str]:
    return [word for override in overrides for word in ("--set", override)]


def table(work: Path, name: str, columns: list[str] | None = None) -> pd.DataFrame:
    return DeltaTable(work / "tables" / name).to_pandas(columns=columns)


def losses(work: Path, run: str) -> list[float]:
    """Of the last run of a name, by epoch."""
    query = """SELECT m.value FROM metrics m WHERE m.key = 'loss' AND m.run_uuid =
               (SELECT run_uuid FROM runs WHERE name = ? ORDER BY start_time DESC LIMIT 1)
               ORDER BY m.step"""
    with sqlite3.connect(work / "mlflow.db") as store:
        return [value for (value,) in store.execute(query, (run,))]


def hits(work: Path, photos: str, candidates: str, k: int) -> dict[tuple[str, str], float]:
    """hit@k by model and method; chance has no model."""
    rows = table(work, "metrics")
    of = (rows["metric"] == "hit") & (rows["k"] == k) & (rows["photo_set"] == photos)
    rows = rows[of & (rows["candidate_set"] == candidates)]
    return {(m, method): v for m, method, v in rows[["model_id", "method", "value"]].values}


@pytest.fixture(scope="module")
def cifar_report(data, tmp_path_factory) -> Path:
    work = tmp_path_factory.mktemp("cifar_report") / "work"
    run("cifar_report", data, work, "--from", "train_word2vec", "--to", "evaluate", *sets(SMALL_CIFAR))
    return work

def test_x(cifar_report, data):
    kept = cifar_report / "checkpoints/train_backbone"
    layer = ["train_backbone.feature_layer=map", f"train_backbone.weights={kept}/backbone.keras", f"train_backbone.classes={kept}/backbone.json"]
    run("cifar_report", data, cifar_report, "--from", "train_backbone", "--to", "evaluate", *sets(SMALL_CIFAR), *sets(layer))
    print(cifar_report)
    m = table(cifar_report, "metrics")
    m = m[(m.metric=="hit")&m.k.isin([1,5])]
    print(m[["model_id","method","photo_set","candidate_set","k","value"]].to_string())
    print(losses(cifar_report,"train_backbone"), losses(cifar_report,"devise-0"))

def test_y(data, tmp_path):
    run("poster", data, tmp_path, "--from", "train_word2vec", "--to", "evaluate", *sets(SMALL_POSTER))
    m = table(tmp_path, "metrics")
    m = m[(m.metric=="hit")&m.k.isin([1,5])]
    print(m[["model_id","method","photo_set","candidate_set","k","value"]].to_string())
    print(losses(tmp_path,"train_backbone"), losses(tmp_path,"devise-0"))
