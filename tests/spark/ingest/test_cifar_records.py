import hashlib
import io
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyspark.errors import PythonException

from devise_lib.command_line import find_input_error
from devise_lib.config.photos import IngestPhotos
from devise_lib.errors import InputError
from devise_lib.spark.ingest import archive_members, cifar_records
from devise_lib.vision.archives.cifar import FORMATS, decode_records
from jobs import ingest_photos
from tests.rows import of_set, read_rows

pytestmark = pytest.mark.spark

CIFAR_10, CIFAR_100 = FORMATS
NAMES = {
    "CIFAR-10": [f"ten_{i}" for i in range(10)],
    "CIFAR-100": [f"class_{i}" for i in range(100)],
}
FILES = {
    "CIFAR-10": {"data_batch_1.bin": 60, "data_batch_2.bin": 61, "test_batch.bin": 40},
    "CIFAR-100": {"train.bin": 230, "test.bin": 100},
}


def make_records(layout, count: int, seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    records = rng.integers(0, 256, (count, layout.record_bytes), dtype=np.uint8)
    names = len(NAMES[layout.title])
    records[:, layout.label_bytes - 1] = rng.integers(0, names, count)
    return records.tobytes()


@pytest.fixture(scope="module")
def releases(tmp_path_factory) -> dict[str, Path]:
    """The folders of both data sets, a few hundred records each."""
    folders = {}
    for layout in FORMATS:
        folder = tmp_path_factory.mktemp(layout.title) / "cifar-binary"
        folder.mkdir()
        (folder / layout.names_file).write_text("\n".join(NAMES[layout.title]) + "\n\n")
        for seed, (name, count) in enumerate(FILES[layout.title].items()):
            (folder / name).write_bytes(make_records(layout, count, seed))
        (folder / "readme.html").write_text("<html>")
        folders[layout.title] = folder
    return folders


def pack(folder: Path, archive: Path) -> Path:
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, arcname="cifar-binary")
    return archive


def of(path: Path, name: str = "cifar", **values) -> dict:
    return {"path": str(path), "kind": "cifar", "name": name, **values}


def configure(work: Path, *sources: dict) -> IngestPhotos:
    return IngestPhotos(work_dir=str(work), source=list(sources), max_bad_share=0.2)


def rows_of(work: Path, name: str) -> list[dict]:
    """The rows of PHOTOS of the source of a name."""
    return of_set(read_rows(work, "photos"), name)


@pytest.fixture(scope="module")
def archives(releases, tmp_path_factory) -> dict[str, Path]:
    """Both data sets, each packed."""
    root = tmp_path_factory.mktemp("archives")
    return {title: pack(folder, root / f"{title}.tar.gz") for title, folder in releases.items()}


def both_forms(releases, archives, title: str) -> list[dict]:
    """A data set as two sources: a folder and an archive."""
    return [of(releases[title], f"{title} folder"), of(archives[title], f"{title} archive")]


@pytest.fixture(scope="module")
def taken(spark, releases, archives, tmp_path_factory) -> Path:
    """The work folder of one run over both data sets in both forms, and one file in three ways."""
    work = tmp_path_factory.mktemp("taken")
    folder, half = releases["CIFAR-100"], {"test_share": 0.5}
    config = configure(
        work,
        *(source for title in releases for source in both_forms(releases, archives, title)),
        of(folder / "test.bin", "a", **half),
        of(folder, "b", include=r"test\.bin$", **half),
        of(archives["CIFAR-100"], "c", include=r"!.*/test", **half),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cifar_records, "RANGE_RECORDS", 70)  # several ranges a file
        counts = ingest_photos.run(spark, config)
    whole = sum(sum(files.values()) for files in FILES.values())
    assert counts == {"photos": 2 * whole + 3 * 100, "quarantined": 0}
    return work


@pytest.fixture
def ground(taken, releases, archives, tmp_path) -> Path:
    """A copy of the work folder `taken`; both forms of CIFAR-100 are put back afterwards."""
    folder, archive = releases["CIFAR-100"], archives["CIFAR-100"]
    kept = shutil.copytree(folder, tmp_path / "kept")
    packed = shutil.copy2(archive, tmp_path / "kept.tar.gz")
    yield shutil.copytree(taken, tmp_path / "work")
    shutil.rmtree(folder)
    shutil.copytree(kept, folder)
    shutil.copy2(packed, archive)


@pytest.mark.parametrize("layout", FORMATS, ids=lambda layout: layout.title)
@pytest.mark.parametrize("form", ["folder", "archive"])
def test_every_record_is_a_photo_with_its_pixels_label_and_split(releases, taken, layout, form):
    folder, counts = releases[layout.title], FILES[layout.title]
    source = f"{layout.title} {form}"
    found = rows_of(taken, source)
    assert len(found) == sum(counts.values())
    rows = {tuple(row["path"].split("/")[-1].split("!")[-2:]): row for row in found}
    assert len({row["photo_id"] for row in rows.values()}) == len(rows) == sum(counts.values())
    for name in counts:
        classes, pixels = decode_records((folder / name).read_bytes(), layout)
        for number, (index, wanted) in enumerate(zip(classes, pixels, strict=True)):
            row = rows[name, str(number)]
            with Image.open(io.BytesIO(row["content"])) as image:
                np.testing.assert_array_equal(np.asarray(image), wanted)
            assert row["label"] == NAMES[layout.title][index]
            assert row["test_share"] == (1.0 if name.startswith("test") else 0.0)
            wanted_id = hashlib.sha256(f"{source}/{name}!{number}".encode()).hexdigest()[:32]
            assert (row["photo_set"], row["photo_id"]) == (source, wanted_id)


def test_one_file_alone_may_be_taken_with_a_share_of_its_own(spark, releases, taken, tmp_path):
    for name in "abc":
        rows = rows_of(taken, name)
        assert len(rows) == 100
        assert {row["test_share"] for row in rows} == {0.5}
    with pytest.raises(InputError, match="no file to take: check its `include`"):
        ingest_photos.run(spark, configure(tmp_path, of(releases["CIFAR-100"], include="valid")))


def test_files_of_records_are_read_again_where_they_changed_alone(
    spark, ground, releases, archives, monkeypatch
):
    """Of a folder a file is one, and an archive is one as a whole."""
    folder = releases["CIFAR-100"]
    sources = both_forms(releases, archives, "CIFAR-100")
    config = configure(ground, *sources)
    with monkeypatch.context() as patch:
        patch.setattr(archive_members, "check_cifar", None)  # a call would fail
        wanted = {"photos": 0, "quarantined": 0, "unchanged": 3}
        assert ingest_photos.run(spark, config) == wanted
    whole = (folder / "test.bin").read_bytes()
    record = CIFAR_100.record_bytes
    other = bytes([0, 1]) + bytes(3072)
    (folder / "test.bin").write_bytes(other + whole[record:-record])  # one changed, one less
    pack(folder, archives["CIFAR-100"])
    wanted = {"photos": 2, "quarantined": 0, "changed": 2, "removed": 2, "unchanged": 1}
    assert ingest_photos.run(spark, config) == wanted
    for source in sources:
        rows = {row["path"].split("/")[-1]: row for row in rows_of(ground, source["name"])}
        assert len(rows) == 330
        assert (rows["test.bin!0"]["revision"], rows["test.bin!1"]["revision"]) == (2, 1)
        assert rows["test.bin!99"]["removed"] is not None


def test_what_does_not_fit_is_refused_and_counted(spark, releases, tmp_path):
    folder = shutil.copytree(releases["CIFAR-100"], tmp_path / "in")
    lines = (folder / CIFAR_100.names_file).read_text().split()
    (folder / CIFAR_100.names_file).write_text("\n".join(lines[:97]))
    whole = (folder / "train.bin").read_bytes()
    strange = sum(decode_records(whole, CIFAR_100)[0] >= 97)
    (folder / "train.bin").write_bytes(whole + whole[:1000])
    (folder / "test.bin").write_bytes(b"")
    config = configure(tmp_path / "work", of(folder))
    counts = {"photos": 230 - strange, "quarantined": strange + 2}
    assert strange > 0
    assert ingest_photos.run(spark, config) == counts
    refused = read_rows(config.work_dir, "quarantine")
    reasons = [row["reason"] for row in refused]
    assert {name: reasons.count(name) for name in reasons} == {
        "no_label": strange,
        "truncated": 1,
        "empty": 1,
    }
    [cut] = [row for row in refused if row["reason"] == "truncated"]
    assert cut["path"] == f"file:{folder}/train.bin!230"
    assert cut["message"] == "the file ends 1,000 bytes behind a record, and one has 3,074"
    assert any(row["message"].endswith(", but there are 97 names") for row in refused)


def test_records_of_the_other_data_set_fail_the_job(spark, releases, tmp_path):
    folder = shutil.copytree(releases["CIFAR-100"], tmp_path / "in")
    (folder / CIFAR_100.names_file).unlink()
    (folder / CIFAR_10.names_file).write_text("\n".join(NAMES["CIFAR-10"]))
    with pytest.raises(InputError, match=r"photos are refused.* most often no_label"):
        ingest_photos.run(spark, configure(tmp_path / "work", of(folder)))


def without_names(folder: Path) -> None:
    (folder / CIFAR_100.names_file).unlink()


def with_both_names(folder: Path) -> None:
    (folder / CIFAR_10.names_file).write_text("a\nb\n")


def of_pickles(folder: Path) -> None:
    for name in FILES["CIFAR-100"]:
        (folder / name).rename(folder / name.removesuffix(".bin"))


def gone(folder: Path) -> None:
    shutil.rmtree(folder)


FAULTS = {
    "no names": (without_names, "neither file of class names; want the binary version"),
    "both names": (with_both_names, r"has batches\.meta\.txt and fine_label_names\.txt; want"),
    "no .bin": (of_pickles, r"has no \.bin file in it; want the binary version, cifar-100-binary"),
    "missing": (gone, "there is no '.*in'; give a path that exists"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_source_that_is_not_cifar_is_told(spark, releases, tmp_path, name):
    spoil, message = FAULTS[name]
    folder = shutil.copytree(releases["CIFAR-100"], tmp_path / "in")
    spoil(folder)
    with pytest.raises(InputError, match=message):
        ingest_photos.run(spark, configure(tmp_path / "work", of(folder)))


def test_a_damaged_archive_is_told(spark, releases, tmp_path):
    archive = pack(releases["CIFAR-10"], tmp_path / "cifar-10-binary.tar.gz")
    archive.write_bytes(archive.read_bytes()[:100_000])
    with pytest.raises(PythonException) as raised:
        ingest_photos.run(spark, configure(tmp_path / "work", of(archive)))
    own = find_input_error(raised.value)
    assert own is not None
    assert "cifar-10-binary.tar.gz cannot be read as an archive" in str(own)
