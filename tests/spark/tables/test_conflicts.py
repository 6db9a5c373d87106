import time

import pytest

from devise_lib.spark.tables.conflicts import CONFLICTS, retry_on_conflict


@pytest.mark.parametrize(
    ("errors", "waits", "raised"),
    [
        ([], [], None),
        ([CONFLICTS[0], CONFLICTS[4]], [0.1, 0.5], None),
        ([CONFLICTS[1]] * 6, [0.1, 0.5, 2, 5, 10], CONFLICTS[1]),
        ([CONFLICTS[2], KeyError], [0.1], KeyError),
    ],
)
def test_a_conflict_is_tried_again_after_growing_waits_and_any_other_error_is_raised(
    monkeypatch, errors, waits, raised
):
    left, waited = list(errors), []

    def commit():
        if left:
            kind = left.pop(0)
            raise kind.__new__(kind)  # the constructors of Spark's errors ask a JVM

    monkeypatch.setattr(time, "sleep", waited.append)
    if raised:
        with pytest.raises(raised):
            retry_on_conflict(commit)
    else:
        retry_on_conflict(commit)
    assert (waited, left) == (waits, [])
