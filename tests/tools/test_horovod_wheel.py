"""The Horovod wheel: its key, the patch of its build, its way into the cache."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from tools import horovod_wheel
from tools.commands import Commands, SetupError
from tools.horovod_wheel import (
    CMAKE_FILE,
    build_wheel,
    cache_folder,
    compile_jobs,
    find_wheel,
    wheel_key,
    without_xla_operations,
)

CMAKE = """\
# TF SOURCES
list(APPEND TF_SOURCES "${PROJECT_SOURCE_DIR}/horovod/tensorflow/mpi_ops.cc")
list(APPEND TF_SOURCES "${PROJECT_SOURCE_DIR}/horovod/tensorflow/xla_mpi_ops.cc")
set_output_dir()
"""
PINS = {"horovod": "0.28.1", "tensorflow-cpu": "2.21.0", "numpy": "1.26.4"}


def test_takes_out_the_one_line_that_names_the_xla_file():
    kept = without_xla_operations(CMAKE)
    assert "xla_mpi_ops.cc" not in kept
    assert [line for line in CMAKE.splitlines() if line not in kept.splitlines()] == [
        'list(APPEND TF_SOURCES "${PROJECT_SOURCE_DIR}/horovod/tensorflow/xla_mpi_ops.cc")'
    ]


@pytest.mark.parametrize(("text", "found"), [(CMAKE.replace("xla_", ""), 0), (CMAKE * 2, 2)])
def test_refuses_a_horovod_whose_build_it_does_not_know(text, found):
    with pytest.raises(SetupError, match=f"want exactly one line .* found {found}: "):
        without_xla_operations(text)


def test_the_key_changes_with_each_thing_that_the_compiled_code_depends_on():
    other_horovod = PINS | {"horovod": "0.28.2"}
    other_tensorflow = PINS | {"tensorflow-cpu": "2.22.0"}
    gpu = {"horovod": "0.28.1", "tensorflow": "2.21.0"}
    keys = {wheel_key(pins) for pins in (PINS, other_horovod, other_tensorflow, gpu)}
    assert len(keys) == 4
    assert wheel_key(PINS | {"numpy": "1.25.0"}) == wheel_key(PINS)
    assert os.uname().machine in wheel_key(PINS)
    assert "cp311" in wheel_key(PINS)


def test_the_cache_is_the_users_own():
    assert cache_folder({"HOME": "/home/a"}) == Path("/home/a/.cache/devise-spark")
    given = {"HOME": "/home/a", "XDG_CACHE_HOME": "/fast"}
    assert cache_folder(given) == Path("/fast/devise-spark")
    empty = {"HOME": "/home/a", "XDG_CACHE_HOME": ""}
    assert cache_folder(empty) == Path("/home/a/.cache/devise-spark")


def test_a_wheel_that_is_still_arriving_is_not_found(tmp_path):
    assert find_wheel(tmp_path / "none") is None
    (tmp_path / "1234.part").write_bytes(b"half a wheel")
    assert find_wheel(tmp_path) is None
    wheel = tmp_path / "horovod-0.28.1-cp311-cp311-linux_x86_64.whl"
    wheel.write_bytes(b"a wheel")
    assert find_wheel(tmp_path) == wheel


def test_compiles_with_at_most_a_job_a_core():
    assert 1 <= compile_jobs() <= len(os.sched_getaffinity(0))


@pytest.fixture
def python(tmp_path) -> Path:
    """In place of the environment's Python: `pip download` brings a source package of three
    files, `pip wheel` writes a wheel that holds the CMake file it was given."""
    source = tmp_path / "served" / "horovod-0.28.1.tar.gz"
    source.parent.mkdir()
    with tarfile.open(source, "w:gz") as tar:
        add_file(tar, f"horovod-0.28.1/{CMAKE_FILE}", CMAKE)
        add_file(tar, "horovod-0.28.1/setup.py", "")
    program = tmp_path / "venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(
        "#!/bin/sh\n"
        'while [ "$1" != --dest ] && [ "$1" != --wheel-dir ]; do shift; done\n'
        f'[ "$1" = --dest ] && exec cp {source} "$2"\n'
        f'cp "$3/{CMAKE_FILE}" "$2/horovod-0.28.1-cp311-cp311-linux_x86_64.whl"\n'
        'env | grep -E "^(HOROVOD_|MAKEFLAGS)"\n'
    )
    program.chmod(0o755)
    return program


def add_file(tar: tarfile.TarFile, name: str, text: str) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(text)
    tar.addfile(member, io.BytesIO(text.encode()))


def test_builds_from_the_patched_source_and_keeps_only_the_wheel(tmp_path, python):
    commands = Commands(tmp_path / "log")
    wheel = build_wheel(commands, python, PINS, tmp_path / "cache" / "key")
    assert wheel.parent == tmp_path / "cache" / "key"
    assert wheel.read_text() == without_xla_operations(CMAKE)
    assert list(wheel.parent.iterdir()) == [wheel]
    assert not (tmp_path / "venv" / "horovod-build").exists()
    variables = commands.log_path.read_text().splitlines()
    assert "HOROVOD_WITH_TENSORFLOW=1" in variables
    assert "HOROVOD_WITH_GLOO=1" in variables
    assert "HOROVOD_GPU_OPERATIONS=NCCL" not in variables
    assert f"MAKEFLAGS=-j{compile_jobs()}" in variables


def test_beside_a_tensorflow_for_gpus_it_is_built_for_nccl(tmp_path, python):
    commands = Commands(tmp_path / "log")
    build_wheel(commands, python, {"horovod": "0.28.1", "tensorflow": "2.21.0"}, tmp_path / "cache")
    variables = commands.log_path.read_text().splitlines()
    assert {"HOROVOD_GPU=CUDA", "HOROVOD_GPU_OPERATIONS=NCCL"} <= set(variables)


def test_what_a_killed_build_left_is_in_nobodys_way(tmp_path, python):
    left = tmp_path / "venv" / "horovod-build" / "horovod-0.28.1"
    left.mkdir(parents=True)
    (left / "half.o").write_text("half")
    wheel = build_wheel(Commands(tmp_path / "log"), python, PINS, tmp_path / "cache")
    assert wheel.exists()


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt"])
def test_refuses_a_source_package_that_leaves_its_folder(tmp_path, python, name):
    with tarfile.open(tmp_path / "served" / "horovod-0.28.1.tar.gz", "w:gz") as tar:
        add_file(tar, name, "")
    with pytest.raises(SetupError, match="leaves its folder"):
        build_wheel(Commands(tmp_path / "log"), python, PINS, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_without_a_compiler_it_stops_before_anything_is_downloaded(tmp_path, python, monkeypatch):
    monkeypatch.setattr(horovod_wheel.shutil, "which", lambda _: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError, match=r"g\+\+.* is missing.*sudo apt-get install g\+\+"):
        build_wheel(Commands(tmp_path / "log"), python, PINS, tmp_path / "cache")
    assert not (tmp_path / "log").exists()
