from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest

from devise_lib.config.reporting import ExportModel
from devise_lib.spark.photos.contents import photos_of, some_contents, with_contents
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import PHOTOS
from tests.rows import row_of, write_rows

pytestmark = pytest.mark.spark


def make_photos(spark, rows):
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
    photos = make_photos(spark, rows)
    found = with_contents(photos.repartition(3))
    assert found.columns == PHOTOS.names
    wanted = dict.fromkeys(rows) | {"path": b"at its path", "uri": b"at its path"}
    wanted |= {"kept": b"in the table", "empty": b""}
    assert {row["photo_id"]: row["content"] for row in found.collect()} == wanted


def spoil(file):
    """Overwrite all of a Parquet file but its footer; its length stands near the end."""
    content = file.read_bytes()
    footer = int.from_bytes(content[-8:-4], "little") + 8
    file.write_bytes(bytes(len(content) - footer) + content[-footer:])


def test_few_photos_are_read_from_the_files_that_hold_them_alone(spark, tmp_path):
    """The kind of fault: the bytes of all photos are read where a few are wanted.

    Of eight files those that hold none of the photos are spoilt but for their footers, so whatever
    reads a value of one fails.
    """
    for part in range(8):
        ids = [f"p{part}{n}" for n in range(4)]
        rows = [{"photo_id": i, "path": "/gone", "content": i.encode()} for i in ids]
        rows[0]["removed"] = datetime(2024, 1, 1, tzinfo=UTC)
        write_rows(tmp_path, "photos", rows)
    photos = Tables.of(spark, ExportModel(work_dir=str(tmp_path))).read("photos")
    assert sorted(some_contents(photos, 5)) == [b"p01", b"p02", b"p03", b"p11", b"p12"]
    for file in (tmp_path / "tables" / "photos").glob("*.parquet"):
        if not {"p11", "p62"} & set(pq.read_table(file)["photo_id"].to_pylist()):
            spoil(file)
    with pytest.raises(Exception, match=r"(?i)parquet"):
        photos.select("content").collect()
    found = photos_of(photos, ["p11", "p13", "p62", "p11", "lost"]).collect()
    assert {row["photo_id"]: bytes(row["content"]) for row in found} == {
        "p11": b"p11", "p13": b"p13", "p62": b"p62"
    }  # fmt: skip
