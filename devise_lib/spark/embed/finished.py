"""The counts of a complete run of embed_photos, so that the next run need not count again.

The results of a model stay complete while no row of PHOTOS and of the results changes. Delta's logs
show that without a Spark job.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from devise_lib.spark.embed.results import RESULT_TABLES, Counts
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.storage.stores import store_files

FILE_NAME = "finished.json"
INPUT_TABLES = ("photos", *RESULT_TABLES, "current_models")  # decide whether there is work to do


@dataclass(frozen=True)
class Finished:
    """What a run stores in its checkpoint folder once every photo has its result.

    Attributes:
        settings: of the run and of the model; a run with other values cannot use the counts.
        rows: for each of INPUT_TABLES a text that changes with its rows.
        embedded: number of photos that the model has embedded.
        refused: number of photos that it has refused, by reason.
    """

    settings: Mapping[str, object]
    rows: Mapping[str, str]
    embedded: int
    refused: Mapping[str, int]


def remember(folder: str, finished: Finished) -> None:
    """Store the counts of a finished run in a checkpoint folder."""
    store_files().write(f"{folder}/{FILE_NAME}", json.dumps(asdict(finished)).encode())


def counts_of_finished(
    tables: Tables, folder: str, settings: Mapping[str, object]
) -> Counts | None:
    """Return the model's counts if a run with the same settings finished and no row changed since.

    Args:
        tables: in their current state.
        folder: the model's checkpoint folder.
        settings: of the run that is about to begin.

    Returns:
        The counts; None if they must be counted again.
    """
    content = store_files().read(f"{folder}/{FILE_NAME}")
    if content is None:
        return None
    try:
        found = Finished(**json.loads(content))
    except (ValueError, TypeError):  # written in part when a machine failed, or by another version
        return None
    if found.settings != settings or found.rows != tables.last_changes(*INPUT_TABLES):
        return None
    return Counts(found.embedded, Counter(found.refused))
