"""The environment on disk: is it whole, and what is it pinned to."""

import subprocess
import sys

import pytest

from tools.environment import is_environment, read_pins, replace_file

LOCK = """\
# made by a tool
absl-py==2.5.1
    # via
    #   keras==3.0
ruff==0.17.5
    # via devise-spark (setup.py)
Faker_x.y==1.0rc1 ; python_version < "4"
"""


def test_reads_the_pins_of_a_lock():
    assert read_pins(LOCK) == {"absl-py": "2.5.1", "ruff": "0.17.5", "Faker_x.y": "1.0rc1"}


@pytest.fixture(scope="module")
def venv(tmp_path_factory):
    """A real environment, with a folder in place of pip, which takes seconds to install."""
    path = tmp_path_factory.mktemp("sources") / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", path], check=True)
    (path / "lib" / "python3.11" / "site-packages" / "pip").mkdir()
    return path


def test_knows_an_environment(venv):
    assert is_environment(venv)


def test_there_is_none_in_an_empty_folder(tmp_path):
    assert not is_environment(tmp_path)
    assert not is_environment(tmp_path / "none")


def test_one_that_was_moved_is_none(venv, tmp_path):
    """The first lines of its programs name the old path."""
    moved = tmp_path / "moved"
    moved.symlink_to(venv)
    assert not is_environment(moved)


@pytest.mark.parametrize("part", ["pyvenv.cfg", "bin/python", "lib/python3.11/site-packages/pip"])
def test_one_that_lacks_a_part_is_none(venv, part):
    (venv / part).rename(venv / "aside")
    try:
        assert not is_environment(venv)
    finally:
        (venv / "aside").rename(venv / part)
    assert is_environment(venv)


def test_one_of_another_python_is_none(venv):
    config = venv / "pyvenv.cfg"
    text = config.read_text()
    config.write_text(text.replace("version = 3.11", "version = 3.12"))
    try:
        assert not is_environment(venv)
    finally:
        config.write_text(text)


def test_replaces_a_file_and_leaves_another_name_of_it_alone(tmp_path):
    """Files of the environment are links to uv's cache: writing into one would change both."""
    cached, linked = tmp_path / "cached", tmp_path / "linked"
    cached.write_text("as published")
    linked.hardlink_to(cached)
    replace_file(linked, "ours")
    assert linked.read_text() == "ours"
    assert cached.read_text() == "as published"
    assert {path.name for path in tmp_path.iterdir()} == {"cached", "linked"}
