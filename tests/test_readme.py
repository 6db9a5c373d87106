"""The README's commands name what there is; its Python blocks run on a small work folder."""

import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from devise_lib.config.loader import JOB_TYPES, load_settings
from devise_lib.config.registry import JOBS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
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
