"""Horovod's wheel, built once from its source package, then kept in the user's cache.

Horovod 0.28.1 does not compile against TensorFlow 2.21 unchanged, because
horovod/tensorflow/xla_mpi_ops.cc includes XLA headers that TensorFlow no longer ships. The
operations of this file are optional, so the one line that adds it to the build is removed.
"""

import os
import platform
import shutil
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

from tools.commands import Commands, SetupError, Words, apt_install

CMAKE_FILE = "horovod/tensorflow/CMakeLists.txt"
XLA_SOURCE = "xla_mpi_ops.cc"
COMPILE_BYTES = 2 * 1024**3  # memory of one compiler run over TensorFlow's headers, at most
BUILD_VARIABLES = {
    "HOROVOD_WITH_TENSORFLOW": "1",
    "HOROVOD_WITHOUT_PYTORCH": "1",
    "HOROVOD_WITHOUT_MXNET": "1",
    "HOROVOD_WITHOUT_MPI": "1",
    "HOROVOD_WITH_GLOO": "1",
}
# For a TensorFlow that has GPUs.
GPU_VARIABLES = {"HOROVOD_GPU": "CUDA", "HOROVOD_GPU_OPERATIONS": "NCCL"}


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Returns the folder of cached wheels: devise-spark in the user's cache folder."""
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home()) / ".cache"
    return Path(base) / "devise-spark"


def wheel_key(pins: Mapping[str, str]) -> str:
    """Returns the name of the cached wheel's folder, which names all that the compiled code depends
    on.
    """
    flavour = "tensorflow-cpu" if "tensorflow-cpu" in pins else "tensorflow"
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    libc = (os.confstr("CS_GNU_LIBC_VERSION") or "libc").replace(" ", "")
    return (
        f"horovod-{pins['horovod']}-{flavour}-{pins[flavour]}-{python}-{libc}-{platform.machine()}"
    )


def find_wheel(folder: Path) -> Path | None:
    """Returns the wheel in `folder`; None if there is none yet."""
    return next(iter(sorted(folder.glob("horovod-*.whl"))), None)


def without_xla_operations(cmake: str) -> str:
    """Removes the line that adds the XLA file from Horovod's CMakeLists.txt for TensorFlow.

    Raises:
        SetupError: not exactly one line names that file, so this is another version of Horovod.
    """
    lines = cmake.splitlines(keepends=True)
    kept = [line for line in lines if XLA_SOURCE not in line]
    if len(lines) - len(kept) != 1:
        raise SetupError(
            f"want exactly one line of {CMAKE_FILE} to name {XLA_SOURCE}, found "
            f"{len(lines) - len(kept)}: this Horovod is not the one that the set-up knows. Pin "
            "the version that setup.py names in requirements.lock"
        )
    return "".join(kept)


def build_wheel(commands: Commands, python: Path, pins: Mapping[str, str], folder: Path) -> Path:
    """Builds Horovod's wheel and stores it in `folder`; takes two to six minutes on two cores.

    Args:
        commands: runs and logs.
        python: the environment's Python, which has TensorFlow and the build tools of the lock.
        pins: of the lock: the versions of Horovod and of the TensorFlow that it is built for.
        folder: of the cache, for this wheel alone.

    Raises:
        SetupError: there is no compiler, no source package, or it does not compile.
    """
    if not shutil.which("g++"):
        apt_install(commands, ["g++"], "g++, the C++ compiler that Horovod is built with,")
    work = python.parents[1] / "horovod-build"
    shutil.rmtree(work, ignore_errors=True)  # of a build that was killed
    work.mkdir(parents=True)
    source = _unpack(_download(commands, python, pins["horovod"], work), work)
    cmake_path = source / CMAKE_FILE
    cmake_path.write_text(without_xla_operations(cmake_path.read_text()))
    pip_wheel: Words = [python, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps"]
    variables = {
        **BUILD_VARIABLES,
        **({} if "tensorflow-cpu" in pins else GPU_VARIABLES),
        # pip must find the cmake of the lock before one of the system.
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "MAKEFLAGS": f"-j{compile_jobs()}",
    }
    # --no-cache-dir, because pip's own cache does not distinguish TensorFlow versions.
    failed = "Horovod did not compile"
    commands.run([*pip_wheel, "--no-cache-dir", "--wheel-dir", work, source], failed, variables)
    built = find_wheel(work)
    if built is None:
        raise SetupError(f"{failed}: pip left no wheel. The output is in {commands.log_path}")
    kept = _keep(built, folder)
    shutil.rmtree(work)
    return kept


def compile_jobs() -> int:
    """Returns how many compilers can run at once: one per core, as far as memory allows."""
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(len(os.sched_getaffinity(0)), memory_bytes // COMPILE_BYTES))


def _download(commands: Commands, python: Path, version: str, work: Path) -> Path:
    pip_download: Words = [python, "-m", "pip", "download", "--no-deps", "--no-build-isolation"]
    commands.run(
        [*pip_download, "--no-binary", ":all:", "--dest", work, f"horovod=={version}"],
        f"the source package of Horovod {version} was not downloaded",
        {"PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}"},
    )
    return next(work.glob("horovod-*.tar.gz"))


def _unpack(archive: Path, work: Path) -> Path:
    """Unpacks plain files and folders; refuses anything else, and paths that leave `work`."""
    with tarfile.open(archive) as tar:
        for member in tar:
            inside = (work / member.name).resolve().is_relative_to(work.resolve())
            if not inside or not (member.isfile() or member.isdir()):
                raise SetupError(f"{archive.name} holds {member.name}, which leaves its folder")
            tar.extract(member, work, set_attrs=member.isfile())
    return work / archive.name.removesuffix(".tar.gz")


def _keep(wheel: Path, folder: Path) -> Path:
    """Moves the wheel into the cache atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    arriving = folder / f"{os.getpid()}.part"
    shutil.copyfile(wheel, arriving)
    os.replace(arriving, folder / wheel.name)
    return folder / wheel.name
