import io
import shutil
import tarfile
from pathlib import Path

import pytest
from PIL import Image
from pyspark.errors import PythonException

from devise_lib.command_line import find_input_error
from devise_lib.config_photos import IngestPhotos
from devise_lib.errors import InputError
from devise_lib.spark import photo_archives, photo_members, photos
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


def configure(work: Path, path: Path | str, **values) -> IngestPhotos:
    source = [{"path": str(path), "name": "ilsvrc", **values}]
    return IngestPhotos(work_dir=str(work), source=source)


def ingest(spark, work: Path, path: Path | str, **values):
    """The rows of PHOTOS that a run leaves."""
    tables = Tables.of(spark, configure(work, path, **values))
    counts = photos.ingest(tables, configure(work, path, **values))
    assert counts["quarantined"] == 0
    return tables.read("photos").collect()


@pytest.fixture(scope="module")
def plain(spark, layouts, tmp_path_factory):
    return ingest(spark, tmp_path_factory.mktemp("work"), layouts["folders"])


@pytest.mark.parametrize("layout", ["tars", "tar of tars"])
def test_photos_by_wnid_have_one_id_and_label_however_they_are_packed(
    spark, layouts, plain, layout, tmp_path, monkeypatch
):
    monkeypatch.setattr(photo_archives, "RANGE_BYTES", 2_000)  # several ranges a tar
    rows = ingest(spark, tmp_path, layouts[layout])
    found = {row["photo_id"]: (row["label"], bytes(row["content"])) for row in rows}
    assert len(found) == len(rows) == len(WNIDS) * PHOTOS_A_CLASS
    assert found == {row["photo_id"]: (row["label"], bytes(row["content"])) for row in plain}
    assert {label for label, _ in found.values()} == set(WNIDS)


def test_the_path_names_every_archive_on_the_way(spark, layouts, tmp_path):
    rows = ingest(spark, tmp_path, layouts["tar of tars"], include="n01440764_0")
    assert [row["path"] for row in rows] == [
        f"file:{layouts['tar of tars']}!n01440764.tar!n01440764_0.JPEG"
    ]
    assert rows[0]["modification_time"].timestamp() == 1_600_000_000


def test_a_tar_beside_its_own_folder_is_told_also_by_a_later_run(spark, layouts, tmp_path):
    both = shutil.copytree(layouts["folders"], tmp_path / "train")
    shutil.copy(layouts["tars"] / f"{WNIDS[0]}.tar", both)
    message = r"train/n\d+.tar!n.* and .* have the same name within|.* and .*train/n\d+.tar!n"
    for _ in range(2):
        with pytest.raises(InputError, match=message):
            ingest(spark, tmp_path, both)
    shutil.rmtree(both / WNIDS[0])
    rows = ingest(spark, tmp_path, both)  # now the photos are in the tar alone
    assert len({row["photo_id"] for row in rows}) == len(rows) == len(WNIDS) * PHOTOS_A_CLASS
    assert {".tar!" in row["path"] for row in rows if row["label"] == WNIDS[0]} == {True}
    (both / WNIDS[0]).mkdir()
    (both / WNIDS[0] / f"{WNIDS[0]}_1.JPEG").write_bytes(picture(1))
    with pytest.raises(InputError, match="have the same name within"):
        ingest(spark, tmp_path, both)


def test_a_damaged_tar_among_good_ones_is_named(spark, layouts, tmp_path):
    folder = shutil.copytree(layouts["tars"], tmp_path / "train")
    whole = (folder / f"{WNIDS[1]}.tar").read_bytes()
    (folder / f"{WNIDS[1]}.tar").write_bytes(whole[:1024])
    with pytest.raises(PythonException) as raised:
        ingest(spark, tmp_path, folder)
    own = find_input_error(raised.value)
    assert own is not None
    assert f"{WNIDS[1]}.tar cannot be read as a tar" in str(own)


def test_tars_in_a_store_are_read_by_ranges_as_local_ones(
    spark, layouts, plain, tmp_path, monkeypatch
):
    monkeypatch.setattr(photo_archives, "RANGE_BYTES", 2_000)
    key = "fs.viewfs.mounttable.photos.link./data"
    spark.conf.set(key, f"file://{layouts['tars'].parent}")
    try:
        rows = ingest(spark, tmp_path, "viewfs://photos/data/train")
    finally:
        spark.conf.unset(key)
    assert {row["photo_id"] for row in rows} == {row["photo_id"] for row in plain}
    assert {row["label"] for row in rows} == set(WNIDS)
    assert rows[0]["path"].startswith("viewfs://photos/data/train/n")


def test_a_tar_is_opened_again_where_it_changed_alone(spark, layouts, tmp_path, monkeypatch):
    folder = shutil.copytree(layouts["tars"], tmp_path / "train")
    config = configure(tmp_path / "work", folder)
    tables = Tables.of(spark, config)
    photos.ingest(tables, config)
    with monkeypatch.context() as patch:
        patch.setattr(photo_members, "plan_archives", None)  # a call would fail
        assert photos.ingest(tables, config) == {"photos": 0, "quarantined": 0, "unchanged": 3}
    changed = photos_of(0)
    first, second, *_ = changed
    changed[first] = picture(200)
    del changed[second]
    (folder / f"{WNIDS[0]}.tar").write_bytes(make_tar({**changed, "later.JPEG": picture(201)}))
    gone = folder / f"{WNIDS[2]}.tar"
    gone.rename(tmp_path / "away.tar")
    counts = photos.ingest(tables, config)
    removed = PHOTOS_A_CLASS + 1
    assert counts == {
        "photos": 2,
        "quarantined": 0,
        "changed": 1,
        "removed": removed,
        "unchanged": 1,
    }
    rows = {row["path"].rpartition("!")[2]: row for row in tables.read("photos").collect()}
    assert len(rows) == len(WNIDS) * PHOTOS_A_CLASS + 1
    assert {name: row["revision"] for name, row in rows.items() if row["revision"] > 1} == {
        first: 2
    }
    assert bytes(rows[first]["content"]) == picture(200)
    assert sum(row["removed"] is not None for row in rows.values()) == removed
    (tmp_path / "away.tar").rename(gone)  # it is back, as it was: its photos, too
    assert photos.ingest(tables, config) == {"photos": 0, "quarantined": 0, "unchanged": 2}
    rows = tables.read("photos").collect()
    assert sum(row["removed"] is not None for row in rows) == 1


def test_what_the_source_takes_of_a_tar_may_change(spark, layouts, tmp_path):
    path = layouts["tar of tars"]
    assert len(ingest(spark, tmp_path, path, include="_0")) == len(WNIDS)
    assert len(ingest(spark, tmp_path, path)) == len(WNIDS) * PHOTOS_A_CLASS
    rows = ingest(spark, tmp_path, path, include="_0")  # the others are not looked for
    assert [row["removed"] for row in rows] == [None] * len(WNIDS) * PHOTOS_A_CLASS
