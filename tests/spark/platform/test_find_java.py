"""Which Java is taken, with programs that answer as java does."""

import subprocess
import sys
from pathlib import Path

import pytest

from devise_lib.errors import InputError
from devise_lib.spark.platform.find_java import ask_java, find_java, read_release

ROOT = Path(__file__).parents[3]


def make_java(home: Path, version: str, says_home: Path | None = None) -> Path:
    """A program at home/bin/java that says it is Java `version` at `says_home` (its own home)."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(
        "#!/bin/sh\n"
        '[ "$1 $2" = "-XshowSettings:properties -version" ] || exit 1\n'
        "cat >&2 <<END\n"
        "Property settings:\n"
        f"    java.home = {says_home or home}\n"
        f"    java.specification.version = {version}\n"
        f"    java.version = {version}.0.1\n"
        f'openjdk version "{version}.0.1"\n'
        "END\n"
    )
    program.chmod(0o755)
    return home


def test_takes_java_home_first(tmp_path):
    named = make_java(tmp_path / "named", "21")
    on_path = make_java(tmp_path / "on_path", "17")
    environ = {"JAVA_HOME": str(named), "PATH": f"{on_path}/bin:/usr/bin:/bin"}
    assert find_java(environ, places=[]) == named


@pytest.mark.parametrize("version", ["1.8", "11", "18", "25"])
def test_passes_over_a_java_of_another_version(tmp_path, version):
    other = make_java(tmp_path / "other", version)
    good = make_java(tmp_path / "good", "17")
    environ = {"JAVA_HOME": str(other), "PATH": f"{other}/bin"}
    assert find_java(environ, places=[f"{tmp_path}/*"]) == good


def test_asks_java_for_its_home_where_the_path_holds_a_link_or_a_script(tmp_path):
    real = make_java(tmp_path / "real", "17")
    script = make_java(tmp_path / "shims", "17", says_home=real)
    link = tmp_path / "links" / "java"
    link.parent.mkdir()
    link.symlink_to(real / "bin" / "java")
    assert find_java({"PATH": str(script / "bin")}, places=[]) == real
    assert find_java({"PATH": str(link.parent)}, places=[]) == real


def test_looks_into_the_users_own_folders(tmp_path):
    home = make_java(tmp_path / "candidates" / "java" / "21.0.2-tem", "21")
    environ = {"HOME": str(tmp_path), "PATH": ""}
    assert find_java(environ, places=["~/candidates/java/*"]) == home


def test_names_what_was_found_and_the_command_where_none_will_do(tmp_path):
    old = make_java(tmp_path / "old", "11")
    new = make_java(tmp_path / "new", "25")
    environ = {"JAVA_HOME": str(old), "PATH": f"{new}/bin"}
    with pytest.raises(InputError) as caught:
        find_java(environ, places=[])
    message = str(caught.value)
    assert f"JAVA_HOME: {old}/bin/java is Java 11" in message
    assert f"PATH: {new}/bin/java is Java 25" in message
    assert "apt-get install openjdk-17-jre-headless" in message


def test_says_that_java_home_names_no_java(tmp_path):
    environ = {"JAVA_HOME": str(tmp_path / "gone"), "PATH": ""}
    with pytest.raises(InputError, match=r"JAVA_HOME: .*/gone/bin/java does not run"):
        find_java(environ, places=[])


def test_says_that_there_is_none(tmp_path):
    with pytest.raises(InputError, match="no Java was found"):
        find_java({"PATH": str(tmp_path)}, places=[f"{tmp_path}/*"])


@pytest.mark.parametrize("body", ["exit 1", "echo no version here >&2", "exit 0"])
def test_a_program_that_does_not_answer_as_java_does_is_none(tmp_path, body):
    program = tmp_path / "java"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    assert ask_java(program) is None


def test_a_file_that_cannot_be_run_is_none(tmp_path):
    (tmp_path / "java").write_text("not a program")
    assert ask_java(tmp_path / "java") is None


def released(home: Path, version: str) -> Path:
    """A Java that fails where it is started, with a file that says its version."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    (home / "release").write_text(f'IMPLEMENTOR="X"\nJAVA_VERSION="{version}"\nOS_ARCH="x"\n')
    return home


def test_a_java_that_has_the_file_release_is_not_started(tmp_path):
    home = released(tmp_path / "real", "17.0.15")
    link = tmp_path / "links" / "java"
    link.parent.mkdir()
    link.symlink_to(home / "bin" / "java")
    assert find_java({"PATH": str(link.parent)}, places=[]) == home


@pytest.mark.parametrize(("text", "version"), [("1.8.0_392", 8), ("21", 21), ("25-ea", 25)])
def test_reads_the_version_of_every_java(tmp_path, text, version):
    home = released(tmp_path / "java", text)
    assert read_release(home / "bin" / "java") == (version, home)


def test_a_java_without_the_file_or_that_cannot_be_run_is_asked(tmp_path):
    home = released(tmp_path / "java", "17")
    (home / "bin" / "java").chmod(0o644)
    assert read_release(home / "bin" / "java") is None
    (home / "bin" / "java").chmod(0o755)
    (home / "release").write_text("nothing of a version")
    assert read_release(home / "bin" / "java") is None
    (home / "release").unlink()
    assert read_release(home / "bin" / "java") is None


def test_needs_nothing_but_the_standard_library():
    """The set-up and Spark's own scripts run it before or without any package."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import devise_lib.spark.platform.fast_start, devise_lib.spark.platform.find_java"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code, str(ROOT)], check=True)


def test_the_java_that_it_finds_here_runs():
    home = find_java()
    version, same_home = ask_java(home / "bin" / "java")
    assert version in {17, 21}
    assert same_home == home
    assert read_release(home / "bin" / "java") in {None, (version, home)}
