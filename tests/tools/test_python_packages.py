"""Packages of the set-up: where uv takes them from, and the space that they want."""

import shutil
import sys
from pathlib import Path

import pytest

from tools.commands import Commands, SetupError
from tools.environment import SetUp
from tools.python_packages import (
    base_python,
    compile_packages,
    require_space,
    uv_install,
    uv_variables,
)

PIP_CONFIG = """\
:env:.index-url='https://mirror.example/from-environment'
global.cert='/etc/ssl/own.pem'
global.find-links='/opt/a\\n/opt/b'
global.index-url='https://mirror.example/from-file'
global.timeout='60'
"""


def test_uv_takes_packages_from_where_pip_does():
    assert uv_variables(PIP_CONFIG, {}) == {
        "UV_DEFAULT_INDEX": "https://mirror.example/from-environment",
        "UV_FIND_LINKS": "/opt/a,/opt/b",
        "SSL_CERT_FILE": "/etc/ssl/own.pem",
        "UV_HTTP_TIMEOUT": "180",
    }


def test_what_the_user_told_uv_stays():
    environ = {"UV_DEFAULT_INDEX": "https://own.example", "UV_HTTP_TIMEOUT": "5"}
    assert uv_variables(PIP_CONFIG, environ).keys() == {"UV_FIND_LINKS", "SSL_CERT_FILE"}


def test_a_pip_without_settings_leaves_uv_to_its_own():
    assert uv_variables("", {}) == {"UV_HTTP_TIMEOUT": "180"}


def test_says_how_much_space_is_wanted_and_how_much_there_is(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_234_000_000))
    with pytest.raises(SetupError, match=r"want 6 GB free on the disk of .*, found 1\.2 GB"):
        require_space(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=6_000_000_000))
    require_space(tmp_path)


def test_environments_are_made_by_the_python_below_an_active_environment(monkeypatch):
    monkeypatch.setattr(sys, "prefix", "/home/a/project/.venv")
    monkeypatch.setattr(sys, "base_prefix", "/opt/python")
    assert base_python() == Path("/opt/python/bin/python3.11")
    monkeypatch.setattr(sys, "prefix", "/opt/python")
    monkeypatch.setattr(sys, "executable", "/opt/python/bin/python3")
    assert base_python() == Path("/opt/python/bin/python3")


def test_installs_from_pips_mirror_and_keeps_its_password_out_of_the_log(tmp_path):
    setup = SetUp(tmp_path, Commands(tmp_path / "log"), {})
    setup.python.parent.mkdir(parents=True)
    for name, body in [
        ("python", """echo "global.index-url='https://user:secret@mirror.example'" """),
        ("uv", f'echo "$@" > {tmp_path}/arguments; echo "$UV_DEFAULT_INDEX" > {tmp_path}/index'),
    ]:
        program = setup.python.with_name(name)
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    uv_install(setup, ["six==1.17.0"], "not installed")
    wanted = f"pip install --python {setup.python} --no-deps --no-progress six==1.17.0"
    assert (tmp_path / "arguments").read_text().strip() == wanted
    assert (tmp_path / "index").read_text().strip() == "https://user:secret@mirror.example"
    assert "secret" not in setup.commands.log_path.read_text()


def test_bytecode_is_kept_where_python_is_told_to_write_none(tmp_path, monkeypatch):
    setup = SetUp(tmp_path, Commands(tmp_path / "log"), {})
    setup.python.parent.mkdir(parents=True)
    setup.python.symlink_to(sys.executable)
    (setup.packages / "six").mkdir(parents=True)
    (setup.packages / "six/__init__.py").write_text("SIX = 6\n")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (setup.packages / "broken.py").write_text("is no = = Python\n")
    assert compile_packages(setup) == str(setup.packages)
    assert [path.suffix for path in (setup.packages / "six/__pycache__").iterdir()] == [".pyc"]
    assert not (setup.packages / "__pycache__").exists()
    assert "broken.py" in setup.commands.log_path.read_text()
