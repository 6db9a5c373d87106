import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.numerics.throughput import STAGES, StageTimes, Throughput

seconds = st.floats(0.001, 1e6)
times = st.builds(StageTimes, st.integers(1, 10**6), *[seconds] * 5)


@given(times, times, times)
def test_times_add_up_in_any_order(a, b, c):
    one, other = (a + b) + c, c + (b + a)
    assert one.photos == other.photos == a.photos + b.photos + c.photos
    assert (one - a).photos == b.photos + c.photos
    for stage in (*STAGES, "load"):
        assert getattr(one, f"{stage}_s") == pytest.approx(getattr(other, f"{stage}_s"))


@given(times, seconds, st.integers(1, 64), st.integers(1, 10**9), st.floats(0.01, 10))
def test_hours_and_cost_grow_with_photos_and_cost_is_that_of_the_cores(t, wall, cores, n, price):
    done = Throughput(t, wall + t.load_s, cores)
    assert done.hours(3 * n) == pytest.approx(3 * done.hours(n))
    assert done.hours(t.photos) * 3600 == pytest.approx(wall + t.load_s * (1 - 1 / cores))
    assert done.cost(n, price) == pytest.approx(done.hours(n) * cores * price)


def test_a_run_worked_out_by_hand():
    # 2 cores, 100 s, of which each spent 10 s on loading: 900 photos in the 90 s left.
    done = Throughput(StageTimes(900, 20.0, 9.0, 45.0, 90.0, 18.0), 100.0, 2)
    assert done.photos_per_s == 10.0
    assert done.rates() == {"read": 200.0, "decode": 40.0, "infer": 20.0, "write": 100.0}
    assert done.hours(100_000_000) == pytest.approx(100_000_000 / 10 / 3600)
    assert done.cost(36_000, 0.05) == pytest.approx(1.0 * 2 * 0.05)


def test_where_nothing_was_done_nothing_is_promised():
    none = Throughput(StageTimes(), 0.0, 4)
    assert (none.photos_per_s, none.hours(10), none.cost(10, 1.0)) == (0.0, 0.0, 0.0)
    assert set(none.rates().values()) == {0.0}
