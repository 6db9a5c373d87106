"""Computes how many files a table's bytes are packed into."""

TASK_BYTES = 4 << 20  # a task with less costs more than it saves


def count_files(total_bytes: int, rows: int, file_bytes: int, slots: int) -> int:
    """Returns the number of files: about `file_bytes` each, or smaller ones to occupy more slots.

    Args:
        total_bytes: the bytes to pack, at least 0.
        rows: the rows that the bytes hold, at least 0.
        file_bytes: the target size of a file in bytes, at least 1.
        slots: the tasks that run at once, at least 1.

    Returns:
        At least 1. The mean file holds at most `file_bytes`.
    """
    for_all_slots = min(slots, rows, -(-total_bytes // TASK_BYTES))
    return max(1, -(-total_bytes // file_bytes), for_all_slots)
