"""How many files a number of bytes is packed into."""

TASK_BYTES = 4 << 20  # less is not worth a task of its own


def count_files(total_bytes: int, rows: int, file_bytes: int, slots: int) -> int:
    """Files of about `file_bytes` each; of fewer, where that keeps more slots at work.

    Args:
        total_bytes: to be packed, >= 0.
        rows: that they are of, >= 0.
        file_bytes: what a file should hold, >= 1.
        slots: tasks that run at once, >= 1.

    Returns:
        At least 1. The mean file holds at most `file_bytes`.
    """
    for_all_slots = min(slots, rows, -(-total_bytes // TASK_BYTES))
    return max(1, -(-total_bytes // file_bytes), for_all_slots)
