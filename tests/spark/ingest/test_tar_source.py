import io
import shutil
import tarfile
from pathlib import Path

import pytest
from PIL import Image
from pyspark.errors import PythonException

from devise_lib.command_line import find_input_error
from devise_lib.config.photos import IngestPhotos
from devise_lib.errors import InputError
from devise_lib.spark.ingest import archive_members, run, tar_source
from devise_lib.spark.ingest.rows import make_photo_id
from devise_lib.spark.tables.delta_tables import Tables
from tests.rows import of_set, read_rows
from tests.s3_server import connected

pytestmark = pytest.mark.spark

WNIDS = ("n01440764", "n01443537", "n02119789")
PHOTOS_A_CLASS = 4
FIRST_ONES = r"_0\.JPEG$"  # of each class one


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


def of(path: Path | str, name: str = "ilsvrc", **values) -> dict:
    return {"path": str(path), "name": name, **values}


def configure(work: Path, *sources: dict) -> IngestPhotos:
    return IngestPhotos(work_dir=str(work), source=list(sources))


def rows_of(work: Path, name: str) -> list[dict]:
    """The rows of PHOTOS of the source of a name."""
    return of_set(read_rows(work, "photos"), name)


def ingest(spark, work: Path, source: dict) -> list[dict]:
    """The rows of PHOTOS that a run over a source leaves of it."""
    config = configure(work, source)
    assert run.ingest(Tables.of(spark, config), config)["quarantined"] == 0
    return rows_of(work, source["name"])


@pytest.fixture(scope="module")
def store(layouts, make_bucket, s3_settings) -> str:
    """The URI of the folder of tars in a store."""
    folder = f"s3a://{make_bucket()}/train"
    with connected(s3_settings) as files:
        for path in layouts["tars"].iterdir():
            files.upload(path, f"{folder}/{path.name}")
    return folder


@pytest.fixture(scope="module")
def taken(spark, layouts, store, tmp_path_factory, s3_settings) -> Path:
    """The work folder of one run over all layouts, each of which is a source, by its name."""
    work = tmp_path_factory.mktemp("taken")
    nested = of(layouts["tar of tars"], "first ones", include=FIRST_ONES)
    sources = [of(path, name) for name, path in layouts.items()]
    config = configure(work, *sources, of(store, "store"), nested)
    with pytest.MonkeyPatch.context() as patch, connected(s3_settings):
        patch.setattr(tar_source, "RANGE_BYTES", 2_000)  # several ranges a tar
        counts = run.ingest(Tables.of(spark, config), config)
    all_photos = len(WNIDS) * PHOTOS_A_CLASS
    assert counts == {"photos": 4 * all_photos + len(WNIDS), "quarantined": 0}
    return work


@pytest.fixture
def ground(taken, layouts, tmp_path) -> Path:
    """A copy of the work folder `taken`; the tars that it has taken are put back afterwards."""
    kept = shutil.copytree(layouts["tars"], tmp_path / "kept")
    yield shutil.copytree(taken, tmp_path / "work")
    shutil.rmtree(layouts["tars"])
    shutil.copytree(kept, layouts["tars"])


def wanted(name: str) -> dict[str, tuple[str, bytes]]:
    """The id of each photo in a source of this name, with its label and its bytes."""
    return {
        make_photo_id(name, f"{wnid}/{file}"): (wnid, content)
        for number, wnid in enumerate(WNIDS)
        for file, content in photos_of(number).items()
    }


@pytest.mark.parametrize("layout", ["folders", "tars", "tar of tars"])
def test_photos_by_wnid_have_one_id_and_label_however_they_are_packed(taken, layout):
    rows = rows_of(taken, layout)
    found = {row["photo_id"]: (row["label"], bytes(row["content"])) for row in rows}
    assert len(found) == len(rows) == len(WNIDS) * PHOTOS_A_CLASS
    assert found == wanted(layout)
    assert {label for label, _ in found.values()} == set(WNIDS)


def test_the_path_names_every_archive_on_the_way(taken, layouts):
    rows = rows_of(taken, "first ones")
    assert sorted(row["path"] for row in rows) == [
        f"file:{layouts['tar of tars']}!{wnid}.tar!{wnid}_0.JPEG" for wnid in sorted(WNIDS)
    ]
    assert {row["modification_time"].timestamp() for row in rows} == {1_600_000_000}


def test_a_tar_beside_its_own_folder_is_told_also_by_a_later_run(spark, layouts, tmp_path):
    both = shutil.copytree(layouts["folders"], tmp_path / "train")
    shutil.copy(layouts["tars"] / f"{WNIDS[0]}.tar", both)
    message = r"train/n\d+.tar!n.* and .* have the same name within|.* and .*train/n\d+.tar!n"
    for _ in range(2):
        with pytest.raises(InputError, match=message):
            ingest(spark, tmp_path, of(both))
    shutil.rmtree(both / WNIDS[0])
    rows = ingest(spark, tmp_path, of(both))  # now the photos are in the tar alone
    assert len({row["photo_id"] for row in rows}) == len(rows) == len(WNIDS) * PHOTOS_A_CLASS
    assert {".tar!" in row["path"] for row in rows if row["label"] == WNIDS[0]} == {True}
    (both / WNIDS[0]).mkdir()
    (both / WNIDS[0] / f"{WNIDS[0]}_1.JPEG").write_bytes(picture(1))
    with pytest.raises(InputError, match="have the same name within"):
        ingest(spark, tmp_path, of(both))


def test_a_damaged_tar_among_good_ones_is_named(spark, layouts, tmp_path):
    folder = shutil.copytree(layouts["tars"], tmp_path / "train")
    whole = (folder / f"{WNIDS[1]}.tar").read_bytes()
    (folder / f"{WNIDS[1]}.tar").write_bytes(whole[:1024])
    with pytest.raises(PythonException) as raised:
        ingest(spark, tmp_path, of(folder))
    own = find_input_error(raised.value)
    assert own is not None
    assert f"{WNIDS[1]}.tar cannot be read as a tar" in str(own)


def test_tars_in_a_store_are_read_by_ranges_as_local_ones(taken, store):
    rows = rows_of(taken, "store")
    assert {row["photo_id"] for row in rows} == set(wanted("store"))
    assert {row["label"] for row in rows} == set(WNIDS)
    assert all(row["path"].startswith(f"{store}/n") for row in rows)


def test_a_tar_is_opened_again_where_it_changed_alone(
    spark, ground, layouts, tmp_path, monkeypatch
):
    folder = layouts["tars"]
    config = configure(ground, of(folder, "tars"))
    tables = Tables.of(spark, config)
    with monkeypatch.context() as patch:
        patch.setattr(archive_members, "plan_archives", None)  # a call would fail
        assert run.ingest(tables, config) == {"photos": 0, "quarantined": 0, "unchanged": 3}
    changed = photos_of(0)
    first, second, *_ = changed
    changed[first] = picture(200)
    del changed[second]
    (folder / f"{WNIDS[0]}.tar").write_bytes(make_tar({**changed, "later.JPEG": picture(201)}))
    gone = folder / f"{WNIDS[2]}.tar"
    gone.rename(tmp_path / "away.tar")
    counts = run.ingest(tables, config)
    removed = PHOTOS_A_CLASS + 1
    assert counts == {
        "photos": 2,
        "quarantined": 0,
        "changed": 1,
        "removed": removed,
        "unchanged": 1,
    }
    rows = {row["path"].rpartition("!")[2]: row for row in rows_of(ground, "tars")}
    assert len(rows) == len(WNIDS) * PHOTOS_A_CLASS + 1
    assert {name: row["revision"] for name, row in rows.items() if row["revision"] > 1} == {
        first: 2
    }
    assert bytes(rows[first]["content"]) == picture(200)
    assert sum(row["removed"] is not None for row in rows.values()) == removed
    (tmp_path / "away.tar").rename(gone)  # it is back, as it was: its run, too
    assert run.ingest(tables, config) == {"photos": 0, "quarantined": 0, "unchanged": 2}
    rows = rows_of(ground, "tars")
    assert sum(row["removed"] is not None for row in rows) == 1


def test_what_the_source_takes_of_a_tar_may_change(spark, taken, layouts, tmp_path):
    work = shutil.copytree(taken, tmp_path / "work")
    nested = of(layouts["tar of tars"], "first ones")
    assert len(rows_of(work, "first ones")) == len(WNIDS)
    assert len(ingest(spark, work, nested)) == len(WNIDS) * PHOTOS_A_CLASS
    rows = ingest(spark, work, {**nested, "include": FIRST_ONES})  # no other is looked for
    assert [row["removed"] for row in rows] == [None] * len(WNIDS) * PHOTOS_A_CLASS
