"""The README's commands name what there is; its Python blocks run on a small work folder."""

import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest

from devise_lib.backbone_catalog import network_type
from devise_lib.config.loader import JOB_TYPES, load_settings
from devise_lib.config.photos import EmbedPhotos, PhotoSource
from devise_lib.config.registry import JOBS
from devise_lib.config.types import JobConfig, LabelSet
from devise_lib.reasons import Reason

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LABEL_SETS = get_args(get_args(LabelSet)[0])
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every command line of the bash blocks, continued lines joined, comments left out."""
    lines = "\n".join(blocks("bash")).replace("\\\n", " ").splitlines()
    return [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]


def overrides_of(words: list[str]) -> list[str]:
    return [after for word, after in pairwise(words) if word == "--set"]


def test_every_job_is_in_the_table_in_the_order_of_the_flow():
    assert re.findall(r"^\| `(\w+)` \|.*\|.*\|$", README, re.MULTILINE)[: len(JOBS)] == [
        job.name for job in JOBS
    ]


def test_every_make_target_exists():
    targets = [line.split()[1] for line in commands() if line.startswith("make ")]
    assert {"demo", "test", "real"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target


@pytest.mark.parametrize("line", [c for c in commands() if "--config" in c])
def test_every_command_names_files_jobs_and_keys_that_there_are(line, monkeypatch, tmp_path):
    words = shlex.split(line)
    config = ROOT / words[words.index("--config") + 1]
    for name in re.findall(r"\$\{(\w+)", config.read_text(encoding="utf-8")):
        monkeypatch.setenv(name, str(tmp_path))
    assert load_settings(config, overrides_of(words), []).path == config
    for program in (word for word in words if word.startswith("jobs/")):
        assert (ROOT / program).exists()
    for option, value in pairwise(words):
        if option in ("--from", "--to", "--only"):
            assert value in JOB_TYPES
        if option == "--properties-file":
            assert (ROOT / value).exists()


def test_the_common_keys_are_the_configurations():
    table = README.split("| common key |")[1].split("\n\n")[0]
    named = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert named == set(type(load_settings(ROOT / "conf/local.toml", [], []).common).model_fields)


def test_the_backbones_are_those_that_there_are():
    rows = README.split("| `train_backbone.backbone` |")[1].split("\n\n")[0].splitlines()[2:]
    for row in rows:
        names, pixels, *_ = row.strip("| ").split(" | ")
        sizes = [
            network_type(n).image_size for n in re.findall(r"`(\w[\w.]*)`", names) if n[0] != "_"
        ]
        shown = [int(size) for size in re.findall(r"\d+", pixels)]
        assert sizes
        assert not shown or {sizes[0], sizes[-1]} == set(shown), row


def first_column(head: str) -> set[str]:
    table = README.split(head)[1].split("\n\n")[0]
    return set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))


def test_the_keys_of_photo_sources_and_the_kinds_of_label_sets_are_the_configurations():
    assert first_column("| key of `ingest_photos.source` |") == set(PhotoSource.model_fields)
    kinds = {get_args(each.model_fields["kind"].annotation)[0] for each in LABEL_SETS}
    assert first_column("| `kind` of `[[label_sets]]` |") == kinds
    for each in LABEL_SETS:
        keys = each.model_fields.keys() - {"kind", "name"}
        [row] = re.findall(
            rf"^\| `{get_args(each.model_fields['kind'].annotation)[0]}` \| (.*?) \|",
            README,
            re.MULTILINE,
        )
        assert set(re.findall(r"`(\w+)`", row)) == keys


def named_in(head: str) -> list[str]:
    """What the first column of a table names, several in a cell."""
    rows = README.split(head)[1].split("\n\n")[0]
    cells = re.findall(r"^\|(.*?)\|", rows, re.MULTILINE)
    return sorted(re.findall(r"`(\w+)`", "".join(cells)))


def test_the_reasons_and_the_keys_of_embed_photos_are_those_that_there_are():
    assert named_in("| reason in QUARANTINE |") == sorted(Reason)
    own = EmbedPhotos.model_fields.keys() - JobConfig.model_fields.keys()
    assert named_in("| key of `embed_photos` |") == sorted(own)


@pytest.mark.parametrize("text", blocks("toml"), ids=range(len(blocks("toml"))))
def test_the_configurations_have_keys_that_there_are(text, tmp_path):
    path = tmp_path / "some.toml"
    path.write_text(text, encoding="utf-8")
    assert load_settings(path, [], []).path == path


def test_links_lead_to_files():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.slow
@pytest.mark.parametrize("code", blocks("python"), ids=range(len(blocks("python"))))
def test_the_python_blocks_run(code, small_run):
    done = subprocess.run(
        [sys.executable, "-c", code.replace("work/demo", str(small_run))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
