import io
import shutil
import tarfile
from pathlib import Path

import pytest
from PIL import Image
from pyspark.errors import PythonException

from devise_lib.config import IngestPhotos
from devise_lib.errors import InputError
from devise_lib.spark import photo_archives
from devise_lib.spark.entry import find_input_error
from devise_lib.spark.photo_files import read_source
from devise_lib.spark.photos import new_photos, refuse_doubled
from devise_lib.spark.tables import Tables

pytestmark = pytest.mark.spark

WNIDS = ("n01440764", "n01443537", "n02119789")
PHOTOS_A_CLASS = 4


def picture(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (level, 0, 99)).save(buffer, "PNG")
    return buffer.getvalue()


def make_tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), 1_600_000_000
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def photos_of(number: int) -> dict[str, bytes]:
    return {f"{WNIDS[number]}_{i}.JPEG": picture(10 * number + i) for i in range(PHOTOS_A_CLASS)}


@pytest.fixture(scope="module")
def layouts(tmp_path_factory) -> dict[str, Path]:
    """The training photos of ILSVRC as they may lie: a folder, a tar, or a tar of tars a class."""
    root = tmp_path_factory.mktemp("ilsvrc")
    folders, tars = root / "folders" / "train", root / "tars" / "train"
    tars.mkdir(parents=True)
    for number, wnid in enumerate(WNIDS):
        (folders / wnid).mkdir(parents=True)
        for name, content in photos_of(number).items():
            (folders / wnid / name).write_bytes(content)
        (tars / f"{wnid}.tar").write_bytes(make_tar(photos_of(number)))
    (tars / ".hidden.tar").write_bytes(b"")
    nested = root / "train.tar"
    nested.write_bytes(make_tar({path.name: path.read_bytes() for path in tars.glob("n*.tar")}))
    return {"folders": folders, "tars": tars, "tar of tars": nested}


def ingest(spark, work: Path, path: Path, **values):
    source = [{"path": str(path), "name": "ilsvrc", **values}]
    config = IngestPhotos(work_dir=str(work), source=source)
    return new_photos(spark, config, Tables.of(spark, config))


@pytest.mark.parametrize("layout", ["folders", "tars", "tar of tars"])
def test_photos_by_wnid_have_one_id_and_label_however_they_are_packed(
    spark, layouts, layout, tmp_path, monkeypatch
):
    monkeypatch.setattr(photo_archives, "RANGE_BYTES", 2_000)  # several ranges a tar
    rows = ingest(spark, tmp_path, layouts[layout]).collect()
    assert {row["reason"] for row in rows} == {None}
    found = {row["photo_id"]: (row["label"], bytes(row["content"])) for row in rows}
    assert len(found) == len(rows) == len(WNIDS) * PHOTOS_A_CLASS
    plain = ingest(spark, tmp_path, layouts["folders"]).collect()
    assert found == {row["photo_id"]: (row["label"], bytes(row["content"])) for row in plain}
    assert {label for label, _ in found.values()} == set(WNIDS)


def test_the_path_names_every_archive_on_the_way(spark, layouts, tmp_path):
    rows = ingest(spark, tmp_path, layouts["tar of tars"], include="n01440764_0").collect()
    assert [row["path"] for row in rows] == [
        f"file:{layouts['tar of tars']}!n01440764.tar!n01440764_0.JPEG"
    ]
    assert rows[0]["modification_time"].timestamp() == 1_600_000_000


def test_no_tar_is_read_as_a_photo_nor_whole(spark, layouts):
    [source] = IngestPhotos(source=[str(layouts["tars"])]).sources()
    names = {row["path"].rpartition("/")[2] for row in read_source(spark, source).collect()}
    assert len(names) == len(WNIDS) * PHOTOS_A_CLASS
    assert all(".tar!" in name for name in names)


def test_a_tar_beside_its_own_folder_is_told(spark, layouts, tmp_path):
    both = shutil.copytree(layouts["folders"], tmp_path / "train")
    shutil.copy(layouts["tars"] / f"{WNIDS[0]}.tar", both)
    fresh = ingest(spark, tmp_path, both)
    with pytest.raises(InputError, match=r"train/n\d+.tar!n.* and .* have the same name within"):
        refuse_doubled(fresh)
    refuse_doubled(ingest(spark, tmp_path, layouts["folders"]))


def test_a_damaged_tar_among_good_ones_is_named(spark, layouts, tmp_path):
    folder = shutil.copytree(layouts["tars"], tmp_path / "train")
    whole = (folder / f"{WNIDS[1]}.tar").read_bytes()
    (folder / f"{WNIDS[1]}.tar").write_bytes(whole[:1024])
    with pytest.raises(PythonException) as raised:
        ingest(spark, tmp_path, folder).collect()
    own = find_input_error(raised.value)
    assert own is not None
    assert f"{WNIDS[1]}.tar cannot be read as a tar" in str(own)


def test_tars_in_a_store_are_read_by_ranges_as_local_ones(spark, layouts, tmp_path, monkeypatch):
    monkeypatch.setattr(photo_archives, "RANGE_BYTES", 2_000)
    key = "fs.viewfs.mounttable.photos.link./data"
    spark.conf.set(key, f"file://{layouts['tars'].parent}")
    try:
        rows = ingest(spark, tmp_path, "viewfs://photos/data/train").collect()
    finally:
        spark.conf.unset(key)
    local = ingest(spark, tmp_path, layouts["tars"]).collect()
    assert {row["photo_id"] for row in rows} == {row["photo_id"] for row in local}
    assert {row["label"] for row in rows} == set(WNIDS)
    assert rows[0]["path"].startswith("viewfs://photos/data/train/n")
