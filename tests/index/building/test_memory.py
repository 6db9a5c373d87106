import mmap
import os
from pathlib import Path

import numpy as np
import pyarrow as pa

from devise_lib.index.building.memory import mapped_bytes, peak_bytes, start_peak, threads_here

MIB = 2**20


def test_the_peak_counts_memory_that_was_given_back():
    start_peak()
    before = peak_bytes()
    taken = np.ones(80 * MIB, np.uint8)
    del taken
    assert peak_bytes() >= before + 60 * MIB


def test_a_new_peak_forgets_the_old_one():
    taken = np.ones(80 * MIB, np.uint8)
    high = peak_bytes()
    del taken
    start_peak()
    assert peak_bytes() <= high - 60 * MIB


def test_pages_of_a_mapped_file_are_counted():
    """The file is on a disk, as those of `tmp_path` may not be."""
    path = max(Path(pa.__file__).parent.glob("libarrow*"), key=lambda path: path.stat().st_size)
    before = mapped_bytes()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert len(mapped[:: mmap.PAGESIZE]) == -(-len(mapped) // mmap.PAGESIZE)  # touches all
        during = mapped_bytes()
        size = len(mapped)
        assert during >= before + size // 2
    assert mapped_bytes() <= during - size // 2


def test_threads_are_the_cores_that_this_process_may_use():
    everything = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(everything)})
        assert threads_here() == 1
    finally:
        os.sched_setaffinity(0, everything)
    assert threads_here() == len(everything)
