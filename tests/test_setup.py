"""The wheel that setup.py makes."""

import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import devise_lib

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """Built from a copy, so that no build folder is left in the sources."""
    sources = tmp_path_factory.mktemp("sources")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    shutil.copytree(
        ROOT / "devise_lib", sources / "devise_lib", ignore=shutil.ignore_patterns("__pycache__")
    )
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*build, "--wheel-dir", sources, sources], check=True)
    return zipfile.ZipFile(next(sources.glob("*.whl")))


@pytest.mark.slow
def test_holds_every_file_of_the_library_and_nothing_else(wheel):
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    files = (path for path in (ROOT / "devise_lib").rglob("*") if path.is_file())
    assert packed == {
        str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts
    }


@pytest.mark.slow
def test_says_its_version_its_python_and_its_extras(wheel):
    name = next(name for name in wheel.namelist() if name.endswith("METADATA"))
    metadata = Parser().parsestr(wheel.read(name).decode())
    assert metadata["Name"] == "devise-spark"
    assert metadata["Version"] == devise_lib.__version__
    assert set(metadata["Requires-Python"].split(",")) == {">=3.11", "<3.12"}
    extras = {"cpu", "gpu", "s3", "gs", "azure", "dev"}
    assert set(metadata.get_all("Provides-Extra")) == extras
    wanted = metadata.get_all("Requires-Dist")
    assert "petastorm==0.13.1" in [line.replace(" ", "") for line in wanted]
