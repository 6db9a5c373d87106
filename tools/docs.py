"""Writes the reference pages of docs/ from the code: `make docs`.

It starts no session and imports no network. tests/tools/test_docs.py fails where the committed
pages differ from what the code says.
"""

import inspect
from collections.abc import Iterable
from pathlib import Path

from devise_lib import errors
from devise_lib.command_line import EXIT_FAILED, EXIT_USAGE
from devise_lib.config.photos import EmbedPhotos, IngestPhotos
from devise_lib.pipeline import EXIT_INTERRUPTED
from devise_lib.reasons import EXPLANATIONS, Reason
from devise_lib.spark.tables.descriptions import DESCRIPTIONS, LAYOUTS
from devise_lib.spark.tables.schemas import SCHEMAS
from tools import configuration_page
from tools.configuration_page import as_page, markdown_table

ROOT = Path(__file__).parents[1]
NOTE = "<!-- `make docs` writes this page from the code. Change the code, not this page. -->"
REASONS = """\
# Reasons of refused photos

A photo that cannot be used costs one row of [QUARANTINE](../analysts/tables.md#quarantine). Its
column `reason` has one of the values below. `message` says what was wrong, and `stage` names the
job that refused the photo. `ingest_photos` judges a file by its header. Damage further in shows at
`embed_photos`.

- The next run of `ingest_photos` looks again at a file that has changed.
- `--retry REASON`, or the key `retry` of the job, takes the photos of a reason again.
- A job fails if it refuses more than the share `max_bad_share` of all photos. It then names the
  commonest reason.
"""
EXIT_CODES = (
    ("0", "The work is done, or `--help` was asked for.", "the counts of each job"),
    (
        f"{EXIT_FAILED}",
        "An input cannot be used, or another process runs the same job in the work folder.",
        "a message without a stack trace",
    ),
    (
        f"{EXIT_FAILED}",
        "The process lost its lease on an object store: it was suspended, or out of reach of it.",
        "a line that says so",
    ),
    (f"{EXIT_FAILED}", "Any other error.", "a stack trace"),
    (
        f"{EXIT_USAGE}",
        "The command line or the configuration cannot be used. Spark has not started then.",
        "every fault of the configuration, one per line",
    ),
    (
        f"{EXIT_INTERRUPTED}",
        "Ctrl-C has interrupted the pipeline.",
        "the command that goes on there",
    ),
)
AT_ONCE, SAME = "It ends at once; shells show {}.", "the same"
SIGNALS = (
    (
        "a job",
        AT_ONCE.format(f"{EXIT_INTERRUPTED}, or {EXIT_FAILED} if Spark's clean-up fails as well"),
        AT_ONCE.format(143),
    ),
    ("the pipeline", f"It ends with {EXIT_INTERRUPTED}.", AT_ONCE.format(143)),
    (
        f"`{IngestPhotos.name}` with `poll_interval_s`",
        "It ends before its next chunk, with 0.",
        SAME,
    ),
    (
        f"`{EmbedPhotos.name}` with `poll_interval_s`",
        f"It ends within seconds, or once its tables are packed: with 0, or with {EXIT_FAILED} if "
        "some photos have no result yet.",
        SAME,
    ),
)
TABLES = """\
# Tables

The jobs meet in these Delta tables. Each lies in the folder `tables/` of the work folder, under its
name in small letters. Any reader of Delta opens them; it needs nothing of this package. With the
key `catalog` they have names in Spark's catalog as well. The meaning of a column is also its
comment in Delta.
"""


def main() -> None:
    """Write the pages into docs/, and say which have changed."""
    for name in write_pages(ROOT / "docs"):
        print(f"written anew: docs/{name}")


def write_pages(folder: Path) -> list[str]:
    """Write all pages below a folder; returns the names of those that were not like that before."""
    changed = []
    for name, text in pages().items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    return changed


def pages() -> dict[str, str]:
    """The text of each page by its name below docs/."""
    made = {
        "reference/configuration.md": configuration_page.page(),
        "reference/reasons.md": reasons_page(),
        "reference/exit-codes.md": exit_codes_page(),
        "analysts/tables.md": tables_page(),
    }
    return {name: f"{NOTE}\n\n{text}" for name, text in made.items()}


def reasons_page() -> str:
    """Each reason: which job gives it, what it means, what to do."""
    rows = []
    for reason in Reason:
        told = EXPLANATIONS[reason]
        rows.append((f"`{reason}`", _code(told.jobs), told.meaning, told.remedy))
    return as_page([REASONS, markdown_table(("reason", "job", "meaning", "what to do"), rows)])


def exit_codes_page() -> str:
    """What the programs end with, and the classes of errors behind it."""
    kinds = []
    for name, each in inspect.getmembers(errors, inspect.isclass):
        if issubclass(each, errors.InputError):
            status = EXIT_USAGE if issubclass(each, errors.ConfigError) else EXIT_FAILED
            kinds.append((f"`{name}`", f"{status}", " ".join((each.__doc__ or "").split())))
    parts = [
        "# Exit codes",
        "A job (`jobs/NAME.py`) and the pipeline (`python -m devise_lib.pipeline`) end with one of "
        "these:",
        markdown_table(("status", "when", "what is printed"), EXIT_CODES),
        f"A job that fails within the pipeline gives status {EXIT_FAILED}. The pipeline then "
        "prints the command that goes on there, once the fault is mended.",
        "## Signals",
        markdown_table(("what runs", "SIGINT (Ctrl-C)", "SIGTERM"), SIGNALS),
        "A second signal of the same kind ends at once a job that is already stopping. Under "
        "`spark-submit` the first signal does, because it ends the JVM.",
        "A killed job loses nothing that is committed. `ingest_photos`, `embed_photos` and the "
        "trainings of networks go on where they were. Every other job begins again.",
        "## Errors that the user can mend",
        "These classes of `devise_lib/errors.py` are printed without a stack trace:",
        markdown_table(("error", "status", "meaning"), kinds),
    ]
    return as_page(parts)


def tables_page() -> str:
    """Each Delta table: purpose, jobs, columns, layout."""
    head = ("table", "written by", "read by")
    rows = [
        (f"[{name.upper()}](#{name})", _code(each.written_by), _code(each.read_by) or "no job")
        for name, each in DESCRIPTIONS.items()
    ]
    sections = (part for name in SCHEMAS for part in _table_section(name))
    return as_page([TABLES, markdown_table(head, rows), *sections])


def _table_section(name: str) -> list[str]:
    about, layout = DESCRIPTIONS[name], LAYOUTS.get(name)
    columns = [
        (f"`{each.name}`", f"`{each.dataType.simpleString()}`", each.metadata["comment"])
        for each in SCHEMAS[name]
    ]
    lies = [f"- Partitioned by {_code(about.partitioned_by)}."] if about.partitioned_by else []
    if layout and layout.cluster_by:
        lies.append(f"- Clustered by {_code(layout.cluster_by)}.")
    if layout:
        lies.append(
            "- Delta keeps the least and greatest value per file of "
            f"{_code(layout.statistics)} alone, and no deletion vectors."
        )
    if about.files:
        lies.append(f"- {about.files}")
    read_by = _code(about.read_by) or "no job"
    return [
        f"## {name.upper()}",
        about.purpose,
        f"Written by {_code(about.written_by)}; read by {read_by}.",
        markdown_table(("column", "type", "meaning"), columns),
        *(["Physical layout:", "\n".join(lies)] if lies else []),
    ]


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    main()
