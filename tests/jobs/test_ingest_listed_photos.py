import io
from pathlib import Path

import pytest
from PIL import Image

from devise_lib.config.photos import IngestPhotos
from devise_lib.errors import InputError
from jobs import ingest_photos
from tests.jobs.test_ingest_photos import read
from tests.rows import of_set

pytestmark = pytest.mark.spark


def picture(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (level, 0, 99)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def flat(tmp_path_factory) -> Path:
    """A flat validation folder: four photos, of which one is broken."""
    folder = tmp_path_factory.mktemp("flat") / "val"
    folder.mkdir()
    for number in range(1, 5):
        content = b"broken" if number == 4 else picture(number)
        (folder / f"ILSVRC2012_val_{number:08d}.JPEG").write_bytes(content)
    return folder


def write_lines(path: Path, lines: list[str]) -> str:
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def configure(work: Path, *sources: dict) -> IngestPhotos:
    return IngestPhotos(work_dir=str(work), source=list(sources), max_bad_share=0.6)


@pytest.fixture(scope="module")
def taken(spark, flat, tmp_path_factory) -> IngestPhotos:
    """The configuration of one run that takes the folder twice: by names, and by numbers."""
    folder = tmp_path_factory.mktemp("lists")
    lines = [f"ILSVRC2012_val_{i:08d}.JPEG n{i:08d}" for i in (1, 3, 4, 8, 9)]
    named = {"name": "named", "labels": write_lines(folder / "list.txt", lines)}
    numbered = {
        "name": "numbered",
        "labels": write_lines(folder / "numbers.txt", ["2", "1", "2", "2"]),
        "classes": write_lines(folder / "classes.txt", ["n7", "n8"]),
    }
    sources = ({"path": str(flat), **labels} for labels in (named, numbered))
    config = configure(folder / "work", *sources)
    # Of the names, 2 photos, 2 refused files and 2 without a photo; of the numbers 3, 1 and none.
    counts = {"photos": 5, "quarantined": 3, "listed without a photo": 2}
    assert ingest_photos.run(spark, config) == counts
    return config


def test_a_flat_folder_has_the_labels_of_its_list_and_both_differences_are_counted(spark, taken):
    found = of_set(read(taken), "named")
    photos = {row["path"][-9:]: row["label"] for row in found}
    assert photos == {"0001.JPEG": "n00000001", "0003.JPEG": "n00000003"}
    found = of_set(read(taken, "quarantine"), "named")
    refused = {row["path"][-9:]: row for row in found}
    assert {path: row["reason"] for path, row in refused.items()} == {
        "0002.JPEG": "no_label",
        "0004.JPEG": "not_an_image",
    }
    assert refused["0002.JPEG"]["message"] == f"it is not in {taken.source[0].labels}"
    again = {"photos": 0, "quarantined": 0, "unchanged": 8, "listed without a photo": 2}
    assert ingest_photos.run(spark, taken) == again


def test_the_ground_truth_goes_by_the_numbers_of_the_photos(taken):
    photos = sorted(of_set(read(taken), "numbered"), key=lambda row: row["path"])
    assert [row["label"] for row in photos] == ["n8", "n7", "n8"]
    assert len(of_set(read(taken, "quarantine"), "numbered")) == 1


def test_a_list_of_other_photos_is_told(spark, flat, tmp_path):
    labels = write_lines(tmp_path / "list.txt", ["val_1.JPEG n1", "val_2.JPEG n2"])
    config = configure(tmp_path / "work", {"path": str(flat), "labels": labels})
    with pytest.raises(InputError, match=r"4 of 4 photos are refused.*most often no_label \(3\)"):
        ingest_photos.run(spark, config)
