"""The architecture as a test: imports point down, each library has one home, files stay small."""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = sorted((ROOT / "devise_lib").rglob("*.py"))
JOBS = sorted((ROOT / "jobs").glob("*.py"))
FILES = LIBRARY + JOBS

# A folder or a top module of devise_lib -> the ones it may import, beside itself and errors.
MAY_USE = {
    "errors": set(),
    "paths": set(),
    "storage": {"paths"},
    "backbone_catalog": set(),
    "photo_limits": set(),
    "reasons": set(),
    "training_choices": set(),
    "hash_kinds": set(),
    "search_choices": set(),
    "archive_kinds": set(),
    "console": set(),
    "numerics": set(),
    "lsh": {"numerics", "hash_kinds"},
    "text": {"numerics", "archive_kinds", "storage"},
    "vision": {
        *("numerics", "archive_kinds", "backbone_catalog", "paths", "photo_limits", "reasons"),
        "storage",
    },
    "training": {"numerics", "paths", "storage", "training_choices", "vision"},
    "index": {"numerics", "paths", "reasons", "storage"},
    "search": {"numerics", "index", "paths", "search_choices", "storage", "text", "vision"},
    "sample": {"numerics"},
    "report": {"console", "numerics"},
    "config": {
        *("backbone_catalog", "hash_kinds", "paths", "photo_limits", "reasons", "storage"),
        *("search_choices", "training_choices"),
    },
    "run_record": {"config", "paths", "storage"},
    "command_line": {"config", "reasons"},
    "tracking": {"config", "storage", "tracking_store"},
    "tracking_store": {"paths", "storage"},
    "model_store": {"archive_kinds", "tracking"},
}
LOWER = set(MAY_USE)
MAY_USE |= {
    "spark": LOWER,
    "pipeline": LOWER | {"spark"},
    "jobs": LOWER | {"spark"},
    "__init__": set(),
}

# A room of devise_lib/spark -> the ones it may import, beside itself. The first six are the ground.
# The others are stages of the flow; a stage imports no stage, since they meet in tables.
ROOMS = {
    "platform": set(),
    "tables": {"platform"},
    "job": {"platform", "tables"},
    "photos": {"platform", "tables"},
    "labels": {"tables"},
    "features": {"labels", "photos", "tables"},
    "corpus": {"platform", "tables"},
    "words": {"platform", "tables"},
    "ingest": {"platform", "tables", "photos"},
    "embed": {"platform", "tables", "job", "photos"},
    "train": {"platform", "tables", "photos", "labels", "features"},
    "evaluate": {"tables", "labels", "features"},
    "search": {"platform", "tables", "labels"},
    "lsh": {"platform", "tables"},
    "report": {"tables", "photos", "labels"},
    "sample": set(),  # this module and the next stand alone
    "sql": {"tables"},
}
MODULES_OF_A_FOLDER = 18  # with __init__.py

# A library, or a part of one -> its homes; the longest name that fits counts.
HOMES = {
    "pyspark": {"spark", "jobs"},
    "delta": {"spark"},
    "pandas": {"spark"},
    "filelock": {"spark", "storage"},
    "tenacity": {"spark", "storage"},
    "fsspec": {"storage"},
    "gensim": {"text"},
    "boto3": {"tracking_store"},
    "datasketch": {"text"},
    "regex": {"text"},
    "icu4py": {"text"},
    "tensorflow": {"vision", "training"},
    "keras": {"vision", "training"},
    "h5py": {"vision"},
    "petastorm": {"training"},
    "horovod": {"training"},
    "horovod.spark": {"spark"},
    "horovod.spark.task": {"training"},  # what a rank asks of the task it runs in
    "faiss": {"index"},
    "mlflow": {"tracking", "model_store"},
    "matplotlib": {"report"},
    "jinja2": {"report", "search"},
    "PIL": {"vision", "sample", "report", "search"},
}
NUMERICS_MAY_USE = {"numpy", "devise_lib"} | sys.stdlib_module_names
MODULE_LINES = 300
JOB_LINES = 65


def place_of(file: Path) -> str:
    """The folder or top module of devise_lib that a file belongs to, or "jobs"."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return "jobs" if parts[0] == "jobs" else parts[min(1, len(parts) - 1)]


def room_of(file: Path) -> str:
    """The room of devise_lib/spark that a file is in; "" for any other file."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    is_in_a_room = parts[:2] == ("devise_lib", "spark") and parts[2] != "__init__"
    return parts[2] if is_in_a_room else ""


def imports(source: str) -> Iterator[str]:
    """Every module that `source` imports, also inside functions and by importlib, dotted."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import hides which layer it reaches"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            function = node.func
            name = getattr(function, "id", getattr(function, "attr", ""))
            first = node.args[0]
            if name in {"import_module", "__import__"} and isinstance(first, ast.Constant):
                yield str(first.value)


def faults(place: str, source: str, room: str = "") -> list[str]:
    """What is wrong with the imports of a file of `place`, one line each.

    Args:
        place: of `place_of`.
        source: of the file.
        room: of `room_of`.
    """
    found = []
    for name in imports(source):
        parts = name.split(".")
        prefixes = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
        homes = next((HOMES[prefix] for prefix in prefixes if prefix in HOMES), {place})
        if place not in homes:
            found.append(f"imports {name}, whose home is {' and '.join(sorted(homes))}")
        if parts[0] == "devise_lib" and len(parts) > 1:
            allowed = MAY_USE[place] | {place, "errors", "__version__"}
            if parts[1] not in allowed:
                found.append(f"imports {name}, may use {', '.join(sorted(allowed))}")
        if room and parts[:2] == ["devise_lib", "spark"] and len(parts) > 2:
            allowed = ROOMS[room] | {room}
            if parts[2] not in allowed:
                found.append(f"imports {name}, may use the rooms {', '.join(sorted(allowed))}")
        if parts[0] == "jobs" or (place == "jobs" and parts[0] in {job.stem for job in JOBS}):
            found.append(f"imports {name}: jobs meet in tables only")
        if place == "numerics" and parts[0] not in NUMERICS_MAY_USE:
            found.append(f"imports {name}, numerics is numpy only")
    return found


def test_there_is_something_to_check():
    assert {place_of(file) for file in LIBRARY} >= {"errors", "spark"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_only_what_its_layer_may(file):
    place = place_of(file)
    assert place in MAY_USE, (
        f"{place} has no layer: put it into MAY_USE of this test and into ARCHITECTURE.md"
    )
    room = room_of(file)
    assert not room or room in ROOMS, f"{room} is no room: put it into ROOMS and ARCHITECTURE.md"
    assert faults(place, file.read_text(encoding="utf-8"), room) == []


def test_no_folder_has_more_modules_than_one_looks_through():
    counts = Counter(file.parent for file in LIBRARY)
    assert {folder.name: n for folder, n in counts.items() if n > MODULES_OF_A_FOLDER} == {}


@pytest.mark.parametrize(
    ("room", "source", "is_wrong"),
    [
        ("embed", "from devise_lib.spark.ingest.commits import set_removed", True),
        ("job", "from devise_lib.spark import embed", True),
        ("platform", "def f():\n    from devise_lib.spark.tables import schemas", True),
        ("embed", "from devise_lib.spark.photos import decoding", False),
        ("ingest", "from devise_lib.spark.ingest import chunks", False),
    ],
)
def test_a_stage_imports_no_stage(room, source, is_wrong):
    found = faults("spark", source, room)
    assert ["may use the rooms" in fault for fault in found] == [True] * is_wrong


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_stays_small_and_has_a_name_that_says_what_is_in_it(file):
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= (JOB_LINES if file in JOBS else MODULE_LINES)
    assert file.name not in {"utils.py", "util.py", "helpers.py", "misc.py", "common.py"}


@pytest.mark.parametrize(
    ("place", "source", "fault"),
    [
        ("numerics", "import pyspark.sql", "whose home is jobs and spark"),
        ("text", "def f():\n    import faiss", "whose home is index"),
        ("vision", "if True:\n    from gensim.models import Word2Vec", "whose home is text"),
        ("spark", "import mlflow", "whose home is model_store and tracking"),
        ("jobs", "from delta.tables import DeltaTable", "whose home is spark"),
        ("spark", "import horovod.tensorflow as hvd", "whose home is training"),
        ("spark", "from horovod import tensorflow", "whose home is training"),
        ("training", "from horovod import spark", "whose home is spark"),
        ("training", "import horovod.spark", "whose home is spark"),
        ("index", "import importlib\nimportlib.import_module('keras.ops')", "whose home is"),
        (
            "text",
            "from devise_lib.vision.images.decode import decode",
            "may use __version__, archive_kinds, errors",
        ),
        ("text", "from devise_lib import vision", "may use __version__, archive_kinds, errors"),
        ("index", "import devise_lib.search.text", "may use __version__, errors"),
        (
            "spark",
            "from devise_lib import pipeline",
            "may use __version__, archive_kinds, backbone_catalog, command_line",
        ),
        ("pipeline", "from jobs import evaluate", "jobs meet in tables only"),
        ("jobs", "from jobs.make_sample import run", "jobs meet in tables only"),
        ("numerics", "import scipy.spatial", "numerics is numpy only"),
    ],
)
def test_refuses_an_import_that_points_up_or_aside(place, source, fault):
    found = faults(place, source)
    assert len(found) >= 1
    assert fault in found[0]


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("spark", "import horovod.spark\nfrom devise_lib.training import loop"),
        ("spark", "from horovod import spark"),
        ("training", "import horovod.tensorflow\nfrom devise_lib.vision import images"),
        ("search", "from devise_lib.index.bundle import load\nimport numpy as np"),
        ("numerics", "import math\nfrom numpy.typing import NDArray"),
        ("tracking", "import mlflow\nfrom devise_lib.errors import InputError"),
        ("jobs", "from pyspark.sql import SparkSession\nfrom devise_lib.spark.job import entry"),
    ],
)
def test_lets_imports_point_down(place, source):
    assert faults(place, source) == []


def test_refuses_relative_imports():
    with pytest.raises(AssertionError, match="relative import"):
        list(imports("from . import vectors"))
