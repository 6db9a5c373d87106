import pytest

from devise_lib.spark.photo_contents import with_contents
from devise_lib.spark.schemas import PHOTOS
from tests.rows import row_of

pytestmark = pytest.mark.spark


def photos_of(spark, rows):
    values = [row_of(PHOTOS, photo_id=i, path=p, content=c) for i, (p, c) in rows.items()]
    return spark.createDataFrame(values, PHOTOS)


def test_files_that_stay_at_their_paths_are_read_and_lost_ones_are_null(spark, tmp_path):
    (tmp_path / "a b.jpg").write_bytes(b"at its path")
    here, gone = f"{tmp_path}/a b.jpg", f"file:{tmp_path}/gone.jpg"
    rows = {
        "path": (here, None),
        "uri": (f"file:{here}", None),
        "gone": (gone, None),
        "kept": (gone, b"in the table"),
        "empty": (here, b""),
    }
    photos = photos_of(spark, rows)
    found = with_contents(photos.repartition(3))
    assert found.columns == PHOTOS.names
    wanted = dict.fromkeys(rows) | {"path": b"at its path", "uri": b"at its path"}
    wanted |= {"kept": b"in the table", "empty": b""}
    assert {row["photo_id"]: row["content"] for row in found.collect()} == wanted
