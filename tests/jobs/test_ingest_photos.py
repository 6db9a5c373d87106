import hashlib
import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest
from PIL import Image
from pyspark.errors import PythonException

from devise_lib.command_line import find_input_error
from devise_lib.config.photos import IngestPhotos
from devise_lib.errors import InputError
from devise_lib.spark.ingest.rows import make_photo_id
from jobs import ingest_photos
from tests.rows import of_set, read_rows

pytestmark = pytest.mark.spark


def picture(level: int, fmt: str = "PNG", size: int = 16) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), (level * 20, 0, 99)).save(buffer, fmt)
    return buffer.getvalue()


GOOD = {  # what a folder holds -> the label that its path tells
    "cat/a.png": (picture(1), "cat"),
    "cat/b.jpg": (picture(2, "JPEG"), "cat"),
    "dog/_MG_0001.JPG": (picture(3, "JPEG"), "dog"),  # as cameras name photos
    "_archive/dog/c.gif": (picture(4, "GIF"), "dog"),
    "sea otter/ü %20+#.png": (picture(5), "sea otter"),
    "year=2020/_taken=1.png": (picture(6), "year=2020"),
    "top.png": (picture(7), "SOURCE"),
}
BAD = {
    "cat/empty.jpg": (b"", "empty"),
    "cat/_empty.jpg": (b"", "empty"),
    "dog/notes.jpg": (b"no photo", "not_an_image"),
    "dog/tiny.png": (picture(8, size=4), "too_small"),
}
HIDDEN = {
    ".DS_Store": b"",
    "cat/._a.png": b"Mac",
    ".thumbnails/a.png": picture(1),
    "dog/.b.jpg": picture(2),
}
FILES = {name: content for name, (content, _) in {**GOOD, **BAD}.items()} | HIDDEN
SIDES = {"small": 6, "fits": 20, "large": 21}  # of photos, in pixels
LIMITS = {"max_pixels": 400, "min_side": 7}


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def write_tar(
    path: Path,
    files: dict[str, bytes],
    prefix: str = "",
    links: dict[str, tuple[bytes, str]] | None = None,
) -> Path:
    """A tar, with links of the given types to the given targets behind its files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(prefix + name)
            member.size, member.mtime = len(content), 1_600_000_000
            archive.addfile(member, io.BytesIO(content))
        for name, (kind, target) in (links or {}).items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, target
            archive.addfile(link)
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return write_folder(tmp_path_factory.mktemp("in") / "SOURCE", FILES)


def configure(work: Path, *sources, **values) -> IngestPhotos:
    given = [s if isinstance(s, dict) else {"path": str(s)} for s in sources]
    return IngestPhotos(work_dir=str(work), source=given, **{"max_bad_share": 0.5, **values})


def read(config: IngestPhotos, name: str = "photos") -> list[dict]:
    return read_rows(config.work_dir, name)


@pytest.fixture(scope="module")
def taken(spark, source, tmp_path_factory):
    """The configuration, and the tables as one run left them."""
    config = configure(tmp_path_factory.mktemp("work"), {"path": str(source), "name": "mine"})
    counts = ingest_photos.run(spark, config)
    assert counts == {"photos": len(GOOD), "quarantined": len(BAD)}
    return config, read(config), read(config, "quarantine")


@pytest.fixture(scope="module")
def places(source, tmp_path_factory) -> dict[str, str]:
    """Where the same files lie, by the names of sources."""
    folder = tmp_path_factory.mktemp("places")
    (folder / "link").symlink_to(source)
    return {
        "copy": str(shutil.copytree(source, folder / "a [new] disk" / "copy")),
        "link": str(folder / "link"),
        "uri": f"file://{source}/",
        "dots": str(write_tar(folder / "dots.tar", FILES, prefix="./")),
    }


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """Two tars, one behind the other; the second one has a hard link and one that leads out."""
    files = {name: content for name, (content, _) in GOOD.items() if "/" in name}
    folder, first = tmp_path_factory.mktemp("archive"), dict(list(files.items())[:2])
    second = {name: content for name, content in files.items() if name not in first}
    links = {
        "dog/linked.jpg": (tarfile.LNKTYPE, "dog/_MG_0001.JPG"),
        "cat/link.png": (tarfile.SYMTYPE, "/etc/passwd"),
    }
    parts = [write_tar(folder / "1", first), write_tar(folder / "2", second, links=links)]
    both = folder / "set1.tar"
    both.write_bytes(b"".join(part.read_bytes() for part in parts))
    return both


@pytest.fixture(scope="module")
def together(spark, source, places, archive, tmp_path_factory):
    """The tables as one run over many sources left them, since each run takes seconds."""
    folder = tmp_path_factory.mktemp("together")
    sides = {f"{name}.png": picture(1, size=side) for name, side in SIDES.items()}
    config = configure(
        folder / "run [10:30] 'a'",
        *({"path": path, "name": name} for name, path in places.items()),
        archive,
        {"path": str(source), "name": "a", "include": "/cat/", "test_share": 1.0},
        {"path": str(source), "name": "b", "include": r"\.gif$", "label_pattern": r"/_(\w+)/"},
        {"path": str(source), "name": "c", "include": "top", "label_pattern": ""},
        write_folder(folder / "sides", sides),
        **LIMITS,
    )
    counts = ingest_photos.run(spark, config)
    photos, refused = read(config), read(config, "quarantine")
    assert counts == {"photos": len(photos), "quarantined": len(refused)}
    return photos, refused


def below(source: Path, rows):
    """The rows by their paths below the source."""
    return {row["path"].removeprefix(f"file:{source}/"): row for row in rows}


def test_each_photo_is_a_row_with_its_bytes_and_the_label_of_its_folder(taken, source):
    _, photos, _ = taken
    rows = below(source, photos)
    assert set(rows) == set(GOOD)
    for name, (content, label) in GOOD.items():
        row = rows[name]
        assert (bytes(row["content"]), row["size_bytes"]) == (content, len(content))
        assert (row["label"], row["photo_set"], row["test_share"]) == (label, "mine", None)
        changed = os.stat(source / name).st_mtime
        assert abs(row["modification_time"].timestamp() - changed) < 0.01
        assert row["sha256"] == hashlib.sha256(content).hexdigest()
    assert len({row["photo_id"] for row in photos}) == len(GOOD)


def test_what_is_no_photo_is_in_quarantine_with_its_reason(taken, source):
    _, _, refused = taken
    rows = below(source, refused)
    assert {name: row["reason"] for name, row in rows.items()} == {
        name: reason for name, (_, reason) in BAD.items()
    }
    assert {(row["stage"], row["model_id"]) for row in refused} == {("ingest_photos", None)}
    assert rows["dog/tiny.png"]["message"] == "4x4 pixels, want at least 8 per side"


def test_a_later_photo_is_added(spark, taken, source, tmp_path):
    work = shutil.copytree(taken[0].work_dir, tmp_path / "work")
    config = configure(work, {"path": str(source), "name": "mine"})
    later = {"cat/later.png": picture(9), "cat/later.txt": b"text"}
    write_folder(source, later)
    try:
        counts = ingest_photos.run(spark, config)
    finally:  # the other tests have the folder as it was
        for name in later:
            (source / name).unlink()
    unchanged = {"unchanged": len(GOOD) + len(BAD)}
    assert counts == {"photos": 1, "quarantined": 1, **unchanged}
    assert len(read(config)) == len(GOOD) + 1
    assert len(read(config, "quarantine")) == len(BAD) + 1


def ids(rows) -> set[str]:
    return {row["photo_id"] for row in rows}


def test_photo_ids_do_not_depend_on_where_the_source_lies(taken, places, together):
    """They depend on its name, and each place has one of its own here."""
    for files, before, after in zip((GOOD, BAD), taken[1:], together, strict=True):
        assert ids(before) == {make_photo_id("mine", name) for name in files}
        for place in places:
            wanted = {make_photo_id(place, name) for name in files}
            assert ids(of_set(after, place)) == wanted, place


def test_a_tar_gives_labels_and_bytes_and_no_link_out_of_it_is_followed(archive, together):
    photos, refused = (
        [row for row in rows if str(archive) in row["path"]] for rows in together[:2]
    )
    found = {
        row["path"].removeprefix(f"file:{archive}!"): (bytes(row["content"]), row["label"])
        for row in photos
    }
    want = {name: each for name, each in GOOD.items() if "/" in name}
    assert found == want | {"dog/linked.jpg": GOOD["dog/_MG_0001.JPG"]}
    assert {row["photo_set"] for row in photos} == {"set1"}
    assert {row["modification_time"].timestamp() for row in photos} == {1_600_000_000}
    assert [(row["path"], row["reason"]) for row in refused] == [
        (f"file:{archive}!cat/link.png", "missing_file")
    ]


def test_a_source_may_be_held_out_cut_down_and_labelled_its_own_way(together):
    photos = of_set(together[0], "a", "b", "c")
    rows = sorted((p["photo_set"], p["label"] or "", p["test_share"]) for p in photos)
    assert rows == [
        ("a", "cat", 1.0),
        ("a", "cat", 1.0),
        ("b", "archive", None),
        ("c", "", None),
    ]
    assert [p["label"] for p in photos if p["photo_set"] == "c"] == [None]


def test_photos_are_as_large_and_as_small_as_is_wanted(together):
    photos, refused = (of_set(rows, "sides") for rows in together)
    assert (len(photos), len(refused)) == (1, 2)
    reasons = {Path(row["path"]).stem: row["reason"] for row in refused}
    assert reasons == {"small": "too_small", "large": "too_large"}


def missing(folder: Path):
    assert not folder.exists()


def nothing(folder: Path):
    folder.mkdir()


def only_hidden(folder: Path):
    write_folder(folder, HIDDEN)


def only_text(folder: Path):
    write_folder(folder, {"a.jpg": b"text", "b.jpg": b"more text", "c.jpg": b""})


def two_of_three(folder: Path):
    write_folder(folder, {"a.jpg": b"text", "b.jpg": b"more", "c.png": picture(1)})


REFUSED = {
    "missing": (missing, "there is no '.*new'; give a path that exists"),
    "empty": (nothing, "'.*new' has no file in it"),
    "hidden files alone": (only_hidden, "'.*new' has no file in it"),
    "no image": (
        only_text,
        r"3 of 3 photos are refused, .* most often not_an_image \(2\)\. For example "
        r"file:.*/new/a\.jpg \(no known format; .*\) and file:.*/new/b\.jpg \(no known.*\)\. "
        r"Leave out files that are no photos by the `include` of their source, as in include = ",
    ),
    "too many bad": (two_of_three, r"2 of 3 .* above max_bad_share = 0\.5.*Repair the source"),
}


def commits(work: Path) -> list[Path]:
    return sorted(work.glob("tables/*/_delta_log/*.json"))


@pytest.mark.parametrize("name", REFUSED)
def test_a_source_that_cannot_be_used_is_told_and_no_table_is_made(spark, tmp_path, name):
    prepare, message = REFUSED[name]
    prepare(tmp_path / "new")
    with pytest.raises(InputError, match=message):
        ingest_photos.run(spark, configure(tmp_path / "work", tmp_path / "new"))
    assert commits(tmp_path / "work") == []


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_source_that_cannot_be_used_leaves_the_tables(spark, taken, tmp_path, name):
    prepare, message = REFUSED[name]
    prepare(tmp_path / "new")
    work = Path(taken[0].work_dir)
    before = commits(work)
    with pytest.raises(InputError, match=message):
        ingest_photos.run(spark, configure(work, tmp_path / "new"))
    assert commits(work) == before != []


def test_bad_files_are_counted_together_with_those_of_earlier_runs(spark, taken, tmp_path):
    work = shutil.copytree(taken[0].work_dir, tmp_path / "work")  # 7 photos, 4 bad files
    only_text(tmp_path / "new")
    before = commits(work)
    with pytest.raises(InputError, match=r"7 of 14 photos are refused, .* most often \w+ \(3\)"):
        ingest_photos.run(spark, configure(work, tmp_path / "new", max_bad_share=0.49))
    assert commits(work) == before
    assert ingest_photos.run(spark, configure(work, tmp_path / "new", max_bad_share=0.5)) == {
        "photos": 0,
        "quarantined": 3,
    }


def test_another_folder_under_a_taken_name_is_told_and_a_moved_one_is_taken(
    spark, taken, source, tmp_path
):
    work = shutil.copytree(taken[0].work_dir, tmp_path / "work")
    before = commits(work)
    moved = shutil.copytree(source, tmp_path / "SOURCE")
    config = configure(work, {"path": str(moved), "name": "mine"})
    for size in (16, 32):  # bytes that only reading shows to be others, and other sizes
        (moved / "cat" / "a.png").write_bytes(picture(11, size=size))
        message = rf"SOURCE/cat/a\.png has the id .* 'mine' .* from file:{source}/cat/a\.png with"
        with pytest.raises(InputError, match=message):
            ingest_photos.run(spark, config)
        assert commits(work) == before
    shutil.copy(source / "cat" / "a.png", moved / "cat" / "a.png")
    assert ingest_photos.run(spark, config)["photos"] == 0
    photos = read(config)
    assert set(below(moved, photos)) == set(GOOD)
    assert {(row["revision"], row["removed"]) for row in photos} == {(1, None)}


def test_a_source_of_which_nothing_is_taken_is_refused_in_a_first_run(spark, source, tmp_path):
    config = configure(tmp_path, {"path": str(source), "include": "no such name"})
    with pytest.raises(InputError, match="no file"):
        ingest_photos.run(spark, config)
    assert not (tmp_path / "tables").exists()


def test_a_tar_that_is_damaged_is_told(spark, tmp_path):
    archive = write_tar(tmp_path / "a.tar", FILES)
    archive.write_bytes(b"no tar at all" * 100)
    with pytest.raises(PythonException) as raised:
        ingest_photos.run(spark, configure(tmp_path / "work", archive))
    own = find_input_error(raised.value)
    assert own is not None
    assert "a.tar cannot be read as a tar" in str(own)
    assert not (tmp_path / "work" / "tables").exists()
