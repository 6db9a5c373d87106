import io
from pathlib import Path

import pytest
from PIL import Image

from devise_lib.config_photos import IngestPhotos
from devise_lib.errors import InputError
from devise_lib.spark.tables import Tables
from jobs import ingest_photos

pytestmark = pytest.mark.spark


def picture(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (level, 0, 99)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def flat(tmp_path) -> Path:
    """A flat validation folder: four photos, of which one is broken."""
    folder = tmp_path / "val"
    folder.mkdir()
    for number in range(1, 5):
        content = b"broken" if number == 4 else picture(number)
        (folder / f"ILSVRC2012_val_{number:08d}.JPEG").write_bytes(content)
    return folder


def configure(work: Path, folder: Path, lines: list[str], **values) -> IngestPhotos:
    (work / "list.txt").write_text("\n".join(lines) + "\n")
    source = {"path": str(folder), "labels": str(work / "list.txt"), **values}
    return IngestPhotos(work_dir=str(work / "work"), source=[source], max_bad_share=0.6)


def test_a_flat_folder_has_the_labels_of_its_list_and_both_differences_are_counted(
    spark, flat, tmp_path
):
    lines = [f"ILSVRC2012_val_{i:08d}.JPEG n{i:08d}" for i in (1, 3, 4, 8, 9)]
    config = configure(tmp_path, flat, lines)
    counts = {"photos": 2, "quarantined": 2, "listed without a photo": 2}
    assert ingest_photos.run(spark, config) == counts
    tables = Tables.of(spark, config)
    photos = {row["path"][-9:]: row["label"] for row in tables.read("photos").collect()}
    assert photos == {"0001.JPEG": "n00000001", "0003.JPEG": "n00000003"}
    refused = {row["path"][-9:]: row for row in tables.read("quarantine").collect()}
    assert {path: row["reason"] for path, row in refused.items()} == {
        "0002.JPEG": "no_label",
        "0004.JPEG": "not_an_image",
    }
    assert refused["0002.JPEG"]["message"] == f"it is not in {tmp_path}/list.txt"
    again = {"photos": 0, "quarantined": 0, "unchanged": 4, "listed without a photo": 2}
    assert ingest_photos.run(spark, config) == again


def test_the_ground_truth_goes_by_the_numbers_of_the_photos(spark, flat, tmp_path):
    (tmp_path / "classes.txt").write_text("n7\nn8\n")
    config = configure(tmp_path, flat, ["2", "1", "2", "2"], classes=str(tmp_path / "classes.txt"))
    assert ingest_photos.run(spark, config) == {"photos": 3, "quarantined": 1}
    photos = Tables.of(spark, config).read("photos").orderBy("path").collect()
    assert [row["label"] for row in photos] == ["n8", "n7", "n8"]


def test_a_list_of_other_photos_is_told(spark, flat, tmp_path):
    config = configure(tmp_path, flat, ["val_1.JPEG n1", "val_2.JPEG n2"])
    with pytest.raises(InputError, match=r"4 of 4 photos are refused.*most often no_label \(3\)"):
        ingest_photos.run(spark, config)
