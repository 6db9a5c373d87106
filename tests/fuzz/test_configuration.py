"""Any configuration is read, or refused with a list of its faults; there is no third end.

The kind of fault: what a user may write and nobody thought of ends in a stack trace, takes minutes,
or is read as something else than it says.
"""

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import example
from hypothesis import strategies as st

from devise_lib.config.loader import COMMON_KEYS, JOB_TYPES, Settings, load_settings
from devise_lib.config.registry import JOBS
from devise_lib.errors import ConfigError
from tests.fuzz.conftest import limits

ROOT = Path(__file__).parents[2]
SHIPPED = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "conf").rglob("*.toml"))]
LONGEST_MESSAGE = 200_000  # characters; a hundred faults of long keys
KEYS = sorted({key for job in JOBS for key in job.model_fields})


class Given(NamedTuple):
    """What a user gives: a file, the words of the command line, the jobs that are to run."""

    text: str
    overrides: tuple[str, ...]
    jobs: tuple[str, ...]


def to_toml(tree: Mapping[str, Any]) -> str:
    """A tree as TOML: scalars first, then a table for each dictionary."""
    plain = [f"{quoted(k)} = {inline(v)}\n" for k, v in tree.items() if not isinstance(v, dict)]
    tables = [
        f"[{quoted(name)}]\n" + "".join(f"{quoted(k)} = {inline(v)}\n" for k, v in table.items())
        for name, table in tree.items()
        if isinstance(table, dict)
    ]
    return "".join(plain + tables)


def quoted(text: str) -> str:
    """A basic string: JSON's, but for the one control character that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def inline(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(k)} = {inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return repr(value)


ODD_TEXT = st.sampled_from(
    [
        *("", " ", ".", "/", "..", "~", "a\x00b", "a\nb", "\u202e", "é", "1e5", "a:1,b:2"),
        *("${HOME}", "${NO_SUCH}", "${X:-{work_dir}}", "{work_dir}", "{work_dir}/a"),
        *("s3a://b/c", "file:///x", "[x", "(", "(a{9999999999})", "(?P<a>x)"),
        *("table", "imagenet", "folders", "cifar", "awa2", "all", "text", "tags", "softmax"),
    ]
)
TEXT = ODD_TEXT | st.text(st.characters(codec="utf-8"), max_size=12)
SCALARS = (
    st.booleans()
    | st.integers(-2, 300)
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.dates()
    | st.times()
    | st.datetimes()
    | TEXT
)
ANY_KEY = st.sampled_from([*KEYS, "str", "tuple", "path", "kind", "name", "0"]) | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_KEY, inner, max_size=4),
    max_leaves=6,
)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Any]:
    """Common keys and tables of jobs, with keys of theirs and values that mostly do not fit."""
    tree: dict[str, Any] = draw(st.dictionaries(st.sampled_from(COMMON_KEYS), VALUES, max_size=2))
    tree |= draw(st.dictionaries(TEXT, VALUES, max_size=1))
    for job in draw(st.lists(st.sampled_from(JOBS), max_size=3, unique=True)):
        own = [key for key in job.model_fields if key not in COMMON_KEYS]
        tree[job.name] = draw(st.dictionaries(st.sampled_from(own) | ANY_KEY, VALUES, max_size=3))
    if draw(st.booleans()):
        tree["spark"] = draw(st.dictionaries(TEXT, VALUES, max_size=2))
    return tree


@st.composite
def shipped(draw: st.DrawFn) -> str:
    """A configuration of ours with a piece taken out, or put in elsewhere."""
    text = draw(st.sampled_from(SHIPPED))
    start, stop = sorted(draw(st.integers(0, len(text))) for _ in range(2))
    cut = text[:start] + draw(TEXT) + text[min(stop, start + 60) :]
    return cut if draw(st.booleans()) else cut + text[start:stop]


FILES = trees().map(to_toml) | shipped() | st.text(max_size=40)
# The words of a command line are bytes: those that are no UTF-8 come as lone surrogates.
WORDS = TEXT | VALUES.map(inline) | st.text(max_size=10)
NAMES = st.sampled_from([*JOB_TYPES, "spark", "nojob"])
OVERRIDES = (
    st.builds("{}={}".format, ANY_KEY, WORDS)
    | st.builds("{}.{}={}".format, NAMES, ANY_KEY, WORDS)
    | st.builds("work_dir={}".format, WORDS)
    | st.text(max_size=10)
)
GIVEN = st.builds(
    Given,
    FILES,
    st.lists(OVERRIDES, max_size=3).map(tuple),
    st.lists(st.sampled_from(list(JOB_TYPES)), max_size=3, unique=True).map(tuple),
)


@example(Given("seed = 0x" + "f" * 5_000, (), ()))
@example(Given("[evaluate]\nstr = 1\n", (), ()))
@example(Given("a." * 3_000 + "a = 1", (), ()))
@example(Given("", ("work_dir=caf\udce9",), ("evaluate",)))
def assert_read_or_refused(folder: Path, given: Given) -> None:
    path = folder / "some.toml"
    path.write_bytes(given.text.encode("utf-8", "surrogateescape"))
    with limits(cpu_seconds=5, mebibytes=200):
        settings = read(path, given.overrides, given.jobs)
    if isinstance(settings, str):
        assert settings.strip()
        assert len(settings) < LONGEST_MESSAGE
        return
    assert settings.common.work_dir.startswith("/")
    assert set(settings.jobs) <= set(given.jobs)
    for name in set(given.jobs) - set(settings.jobs):
        assert JOB_TYPES[name].opt_in, f"{name} was dropped without a word"
    for config in settings.jobs.values():
        assert {key: getattr(config, key) for key in COMMON_KEYS} == dict(settings.common)
        dumped = json.loads(json.dumps(config.model_dump(mode="json", exclude_unset=True)))
        assert type(config).model_validate(dumped) == config
    path.write_text(to_toml(as_tree(settings)), encoding="utf-8")
    assert load_settings(path, [], given.jobs) == settings


def read(path: Path, overrides: Sequence[str], jobs: Sequence[str]) -> Settings | str:
    """What a configuration gives, or the message that refuses it."""
    try:
        return load_settings(path, overrides, jobs)
    except ConfigError as refused:
        return str(refused)


def as_tree(settings: Settings) -> dict[str, Any]:
    """The settings as a file that says the same."""
    tree = without_none(settings.common.model_dump(mode="json", exclude_unset=True))
    for name, config in settings.jobs.items():
        own = config.model_dump(mode="json", exclude=set(COMMON_KEYS), exclude_unset=True)
        tree[name] = without_none(own)
    return {**tree, "spark": settings.spark}


def without_none(value: Any) -> Any:
    """TOML has no null: what is None is left out."""
    if isinstance(value, dict):
        return {key: without_none(each) for key, each in value.items() if each is not None}
    return [without_none(each) for each in value] if isinstance(value, list) else value


def test_a_configuration_is_read_to_the_same_or_refused_with_its_faults(fuzz, tmp_path):
    def check(given: Given) -> None:
        assert_read_or_refused(tmp_path, given)

    check.__dict__.update(assert_read_or_refused.__dict__)  # its @example
    fuzz(check, GIVEN, examples=60)
