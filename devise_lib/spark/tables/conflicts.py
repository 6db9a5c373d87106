"""Commits beside those of other jobs: what Delta refuses for their sake is tried again."""

import time
from collections.abc import Callable

from delta.exceptions.captured import (  # importing them has errors of the JVM become these
    ConcurrentAppendException,
    ConcurrentDeleteDeleteException,
    ConcurrentDeleteReadException,
    ConcurrentWriteException,
    MetadataChangedException,
)

CONFLICTS = (
    ConcurrentAppendException,
    ConcurrentDeleteDeleteException,
    ConcurrentDeleteReadException,
    ConcurrentWriteException,
    MetadataChangedException,
)
# Waits before a commit is tried anew, between whose reading and writing another one came.
PAUSES_S = (0.1, 0.5, 2.0, 5.0, 10.0)


def retry_on_conflict(commit: Callable[[], object]) -> None:
    """Commit, also where other jobs write to the same table: on what they have left there."""
    for pause_s in PAUSES_S:
        try:
            commit()
            return
        except CONFLICTS:
            time.sleep(pause_s)
    commit()
