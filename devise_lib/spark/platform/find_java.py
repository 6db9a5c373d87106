"""Finds the Java to start Spark with: Spark 4.0 runs on Java 17 and 21.

The set-up imports this module before anything is installed, so it uses the standard library only.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from devise_lib.errors import InputError

VERSIONS = (17, 21)
PLACES = ("/usr/lib/jvm/*", "/opt/java*", "~/.sdkman/candidates/java/*")
INSTALL = "sudo apt-get install openjdk-17-jre-headless"
PROPERTY = re.compile(r"^\s*(java\.home|java\.specification\.version) = (.+?)\s*$", re.MULTILINE)
RELEASE_VERSION = re.compile(r'^JAVA_VERSION="(?:1\.)?(\d+)', re.MULTILINE)  # 1.8 is Java 8
ANSWER_TIMEOUT_S = 60


def find_java(environ: Mapping[str, str] = os.environ, places: Sequence[str] = PLACES) -> Path:
    """Return the home of a Java 17 or 21, the value for JAVA_HOME.

    It looks at JAVA_HOME, at `java` on the PATH, then at the usual folders. A Java of another
    version is passed over. Starting Java takes a third of a second, so the file `release` in its
    home is read instead where there is one.

    Args:
        environ: the environment to read JAVA_HOME, PATH and HOME from.
        places: patterns of folders that may be homes of a Java; "~" is HOME.

    Raises:
        InputError: there is none; the message lists each Java that was passed over, and says how to
            install one.
    """
    passed_over = []
    for source, program in _programs(environ, places):
        answer = read_release(program) or ask_java(program)
        if answer is None:
            passed_over.append(f"{source}: {program} does not run")
        elif answer[0] not in VERSIONS:
            passed_over.append(f"{source}: {program} is Java {answer[0]}")
        else:
            return answer[1]
    found = "; ".join(passed_over) or "no Java was found"
    raise InputError(
        f"Spark 4.0 needs Java 17 or 21; looked at JAVA_HOME, PATH, {', '.join(places)}: {found}. "
        f"Install one ({INSTALL}), or set JAVA_HOME to its folder."
    )


def read_release(program: Path) -> tuple[int, Path] | None:
    """Return the (version, home) of a java executable by the file `release` in its home.

    Links are followed. Every Java since 8 has this file. None means that it is missing or unclear,
    or that the program cannot be executed.
    """
    home = Path(os.path.realpath(program)).parent.parent
    try:
        text = (home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    version = RELEASE_VERSION.search(text)
    if version is None or not os.access(program, os.X_OK):
        return None
    return int(version[1]), home


def ask_java(program: Path) -> tuple[int, Path] | None:
    """Return the (version, home) that a java executable reports; None if it does not run.

    Its path would not tell: /usr/bin/java is a link, and version managers put scripts in its place.
    """
    command = [str(program), "-XshowSettings:properties", "-version"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=ANSWER_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    properties = dict(PROPERTY.findall(done.stderr))
    version = properties.get("java.specification.version", "").removeprefix("1.")  # 1.8 is Java 8
    if not version.isdigit() or "java.home" not in properties:
        return None
    return int(version), Path(properties["java.home"])


def _programs(environ: Mapping[str, str], places: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Give Java executables as (where it was found, path), each file once.

    One that JAVA_HOME names is given even if it is missing, so that the message can say so.
    """
    seen = set()
    for source, program in _candidates(environ, places):
        there = program.is_file() or source == "JAVA_HOME"
        if (real := os.path.realpath(program)) not in seen and there:
            seen.add(real)
            yield source, program


def _candidates(environ: Mapping[str, str], places: Sequence[str]) -> Iterator[tuple[str, Path]]:
    if home := environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    if on_path := shutil.which("java", path=environ.get("PATH", "")):
        yield "PATH", Path(on_path)
    for place in places:
        if place.startswith("~"):
            place = environ.get("HOME", "~") + place[1:]
        for home in sorted(glob.glob(place)):
            yield place, Path(home) / "bin" / "java"


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{find_java()}\n")
    except InputError as error:
        sys.exit(f"error: {error}")
