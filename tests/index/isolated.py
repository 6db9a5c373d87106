"""Programs in an environment that has faiss and numpy, and no more than is asked for."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PLAIN = ("faiss", "numpy", "packaging")  # faiss itself imports packaging
LAUNCH = "import json, runpy, sys; folder, sys.argv = json.loads(sys.argv[1]); "
LAUNCH += "sys.path.append(folder); runpy.run_path(sys.argv[0], run_name='__main__')"


def run_isolated(
    program: str, scratch: Path, cwd: Path, words: Sequence[str] = (), more: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a program with the packages of PLAIN, `more` ones and the standard library alone.

    The packages are links in a folder, which is the only place that Python looks into.
    """
    packages = scratch / "packages"
    packages.mkdir(parents=True)
    for name in (*PLAIN, *more):
        spec = importlib.util.find_spec(name)
        folder = Path(spec.origin).parent
        (packages / name).symlink_to(folder)
        for libraries in folder.parent.glob(f"{name}*.libs"):  # of a wheel
            (packages / libraries.name).symlink_to(libraries)
    path = scratch / "program.py"
    path.write_text(program, encoding="utf-8")
    given = json.dumps([str(packages), [str(path), *words]])
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCH, given],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
