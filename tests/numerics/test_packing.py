from hypothesis import given
from hypothesis import strategies as st

from devise_lib.numerics.packing import TASK_BYTES, count_files

sizes = st.integers(0, 10**13)
positive = st.integers(1, 10**9)


@given(sizes, sizes, positive, st.integers(1, 1000))
def test_no_more_bytes_a_file_than_wanted_and_no_more_files_than_needed(total, rows, each, slots):
    files = count_files(total, rows, each, slots)
    assert files >= 1
    assert total <= files * each
    enough = max(1, min(slots, rows))
    assert files <= enough or total > (files - 1) * each


def test_little_is_dealt_to_all_slots_but_not_in_crumbs():
    assert count_files(8 * TASK_BYTES, 1000, 2**40, 4) == 4
    assert count_files(8 * TASK_BYTES, 3, 2**40, 4) == 3
    assert count_files(TASK_BYTES + 1, 1000, 2**40, 4) == 2
    assert count_files(1000, 1000, 2**40, 4) == 1
    assert count_files(0, 0, 1, 4) == 1
    assert count_files(10, 2, 3, 1) == 4
