"""What a whole run of embed_photos has found, so that the next one need not count it again.

A model whose results were complete has them still while no row of PHOTOS and of the results has
changed since. Delta's logs tell that without a Spark job.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from devise_lib.paths import write_text_atomically
from devise_lib.spark.embed.results import RESULT_TABLES, Counts
from devise_lib.spark.tables.delta_tables import Tables

FILE = "finished.json"
READ = (
    "photos",
    *RESULT_TABLES,
    "current_models",
)  # the tables that decide whether anything is to do


@dataclass(frozen=True)
class Finished:
    """What a run leaves in its checkpoint folder once every photo has its result.

    Attributes:
        settings: of the run, and of the model: another value is another run.
        rows: a name for the rows of each table of READ, of `Tables.last_changes`.
        embedded, refused: the model's results; refused ones by reason.
    """

    settings: Mapping[str, object]
    rows: Mapping[str, str]
    embedded: int
    refused: Mapping[str, int]


def remember(folder: Path, finished: Finished) -> None:
    """Put it down in a checkpoint folder."""
    write_text_atomically(folder / FILE, json.dumps(asdict(finished)))


def counts_of_finished(
    tables: Tables, folder: Path, settings: Mapping[str, object]
) -> Counts | None:
    """The model's results, where a run of the same settings has finished and no row changed since.

    Args:
        tables: as they are now.
        folder: the model's checkpoint folder.
        settings: of the run that is about to begin.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        found = Finished(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):  # cut off with its machine, or another version's
        return None
    if found.settings != settings or found.rows != tables.last_changes(*READ):
        return None
    return Counts(found.embedded, Counter(found.refused))
