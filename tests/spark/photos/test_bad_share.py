import pytest

from devise_lib.errors import InputError
from devise_lib.spark.photos.bad_share import check_share
from devise_lib.spark.tables.delta_tables import count_by

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def bad(spark):
    reasons = ["truncated"] * 3 + ["empty"] + ["too_large"] * 2
    return spark.createDataFrame([(reason,) for reason in reasons], "reason string")


def test_up_to_the_share_the_bad_rows_are_counted_by_reason(bad):
    counts = {"truncated": 3, "empty": 1, "too_large": 2}
    assert count_by(bad, "reason") == counts
    check_share(counts, 20, 0.3, "job")
    check_share(counts, 6, 1.0, "job")


def test_above_it_the_commonest_reason_and_the_key_to_change_are_told(bad):
    with pytest.raises(InputError) as raised:
        check_share(count_by(bad, "reason"), 19, 0.3, "ingest_photos")
    assert str(raised.value) == (
        "6 of 19 photos are refused, above max_bad_share = 0.3; most often truncated (3). "
        "Repair the source and run it again with --retry truncated, or raise "
        "ingest_photos.max_bad_share"
    )


def test_photos_that_were_removed_do_not_count():
    check_share({"removed": 90}, 100, 0.0, "job")
    with pytest.raises(InputError, match=r"^9 of 100 photos .* most often empty \(9\)"):
        check_share({"removed": 90, "empty": 9}, 100, 0.08, "job")


def test_nothing_new_is_not_too_many(bad):
    reasons = count_by(bad.where("reason = 'none'"), "reason")
    assert reasons == {}
    check_share(reasons, 0, 0.0, "job")
