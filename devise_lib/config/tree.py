"""TOML as it is read: plain dictionaries, before any key of them is looked at."""

import os
import re
import tomllib
from pathlib import Path
from typing import Any

from devise_lib.errors import ConfigError

Tree = dict[str, Any]

VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
DEFAULT = "${NAME:-default}, with a default that has none"
MOST_LEVELS = 20  # of tables and lists in one another; the deepest key that is known is at 4
MOST_SHOWN = 200  # characters of a value in a message


def read_toml(path: Path) -> Tree:
    """The content of a TOML file.

    Raises:
        ConfigError: there is no such file, or it is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no configuration file {path}: give --config FILE.toml") from None
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, no TOML, a number too long
        raise ConfigError(f"{path} cannot be read as TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path} cannot be read as TOML: its lists are nested too deep") from None


def parse_value(text: str) -> Any:
    """The value that a text stands for in TOML; the text without its outer blanks if it is none.

    >>> parse_value("[1, 2]"), parse_value(" a b ")
    ([1, 2], 'a b')
    """
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text.strip()
    return parsed["value"] if len(parsed) == 1 else text.strip()  # several lines: no value


def find_oddities(tree: Tree) -> list[str]:
    """What no key can take and what would break the reading of keys.

    These are integers of more than 64 bits, which TOML does not have, and too many levels.
    """
    faults = []
    waiting: list[tuple[str, Any, int]] = [("", tree, 0)]
    while waiting:  # without recursion: dotted keys make thousands of levels
        where, value, level = waiting.pop()
        if isinstance(value, dict | list):
            if level > MOST_LEVELS:
                faults.append(f"{where}: tables or lists are nested too deep")
                continue
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            waiting += [(f"{where}.{key}".lstrip("."), each, level + 1) for key, each in pairs]
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            faults.append(f"{where}: an integer has 64 bits at most")
    return faults


def fill_in(value: Any, work_dir: str, left: list[tuple[str, str]], where: str = "") -> Any:
    """Replace ${NAME}, ${NAME:-default} and {work_dir} in every text of a value.

    Args:
        value: a tree, or a part of one.
        work_dir: what {work_dir} stands for.
        left: gets (where, what is wrong) of each text that keeps a variable, since that is not set
            or not written as above.
        where: the keys that lead to the value, joined by dots.
    """
    if isinstance(value, dict):
        return {
            key: fill_in(each, work_dir, left, f"{where}.{key}".lstrip("."))
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [fill_in(each, work_dir, left, where) for each in value]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        found = os.environ.get(name) or default
        if found is None:
            left.append((where, f"the environment variable {name} is not set"))
            return name
        return found

    filled = VARIABLE.sub(variable, value)
    if "${" in filled:
        left.append((where, f"{shown(value)} has a variable that is not ${{NAME}} or {DEFAULT}"))
    return filled.replace("{work_dir}", work_dir.rstrip("/"))


def shown(value: Any) -> str:
    """A value as a message has it: on one line, and cut where it is long."""
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."
