"""Commits that are repeated when Delta refuses them because another job has committed meanwhile."""

from collections.abc import Callable

from delta.exceptions.captured import (  # The import makes PySpark raise these for JVM errors.
    ConcurrentAppendException,
    ConcurrentDeleteDeleteException,
    ConcurrentDeleteReadException,
    ConcurrentWriteException,
    MetadataChangedException,
)
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_chain, wait_fixed

CONFLICTS = (
    ConcurrentAppendException,
    ConcurrentDeleteDeleteException,
    ConcurrentDeleteReadException,
    ConcurrentWriteException,
    MetadataChangedException,
)
# Waits before a refused commit is tried again.
PAUSES_S = (0.1, 0.5, 2.0, 5.0, 10.0)


def retry_on_conflict(commit: Callable[[], object]) -> None:
    """Commit. If another job's commit came between reading and writing, try again on its result.

    The last of six tries raises the conflict. Any other error is raised at once.
    """
    Retrying(
        retry=retry_if_exception_type(CONFLICTS),
        wait=wait_chain(*map(wait_fixed, PAUSES_S)),
        stop=stop_after_attempt(len(PAUSES_S) + 1),
        reraise=True,
    )(commit)
