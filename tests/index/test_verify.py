import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.index.manifest import FileAbout
from devise_lib.index.verify import main, verify_folder
from devise_lib.storage.files import file_sha256
from tests.index.built import Built, build_bundle, write_manifest

WORDS = {"snow": [1.0] + [0.0] * 15, "cat": [0.0] * 15 + [1.0]}
DELTA = "delta-000001"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A bundle of two segments with removed rows and words."""
    folder = tmp_path_factory.mktemp("original") / "bundle"
    return build_bundle(folder, "IVF8,SQ8", (90, 40), (5, 100), WORDS)


@pytest.fixture
def built(original, tmp_path) -> Built:
    """A copy of it, which a test may change."""
    return replace(original, folder=Path(shutil.copytree(original.folder, tmp_path / "bundle")))


def resigned(built: Built, **changes) -> None:
    """Writes the manifest again, with the digests of the files as they are now."""
    manifest = replace(built.manifest, **changes)
    files = {
        name: FileAbout((built.folder / name).stat().st_size, file_sha256(built.folder / name))
        for name in manifest.files
    }
    write_manifest(built.folder, replace(manifest, files=files))


def refused(built: Built, capsys, arguments=None) -> str:
    """What the program says of a bundle that is not whole."""
    assert main(arguments or [str(built.folder)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "run build_index again" in said.err
    return said.err


def test_a_whole_bundle_is_named_with_its_quality(built, capsys):
    assert main([f"{built.folder}/"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{built.folder} is whole: 128 photos of model devise-v1\n")
    assert "recall@5 0.980" in said
    assert verify_folder(built.folder, "x") == built.manifest


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["--help"], ["-v"]])
def test_other_arguments_tell_the_usage(arguments, capsys):
    assert main(arguments) == (0 if arguments == ["--help"] else 2)
    assert capsys.readouterr().err.startswith("usage: python -m devise_lib.index.verify FOLDER")


@pytest.mark.parametrize(
    "name", ["base/index.faiss", "base/ids.npy", f"{DELTA}/lists.npy", "removed.npy", "words.txt"]
)
def test_a_missing_file_is_named(built, capsys, name):
    (built.folder / name).unlink()
    assert f"{built.folder}/{name} is missing" in refused(built, capsys)


@pytest.mark.parametrize("name", ["base/index.faiss", f"{DELTA}/digests.npy", "words.npy"])
@pytest.mark.parametrize("place", [0, -1])
def test_a_changed_byte_is_found_in_any_file(built, capsys, name, place):
    content = bytearray((built.folder / name).read_bytes())
    content[place] ^= 1
    (built.folder / name).write_bytes(content)
    assert f"{name} was changed: its SHA-256 is" in refused(built, capsys)


def test_a_folder_without_a_manifest_is_no_bundle(built, capsys):
    (built.folder / "manifest.json").unlink()
    assert "is not an index bundle, it has no manifest.json" in refused(built, capsys)


@pytest.mark.parametrize("text", ["", "{}", "[1]"])
def test_a_manifest_that_is_none_is_named(built, capsys, text):
    (built.folder / "manifest.json").write_text(text)
    assert f"{built.folder}/manifest.json" in refused(built, capsys)


def test_another_number_of_ids_is_found(built, capsys):
    path = built.folder / "base" / "ids.npy"
    np.save(path, np.load(path)[:-1])
    resigned(built)
    assert "base has 90 vectors, 90 vectors in lists, 89 ids, 90 lists" in refused(built, capsys)


def test_another_number_of_lists_of_rows_is_found(built, capsys):
    path = built.folder / DELTA / "lists.npy"
    np.save(path, np.append(np.load(path), 0))
    resigned(built)
    assert "41 lists of rows" in refused(built, capsys)


@pytest.mark.parametrize("part", ["base", DELTA])
def test_ids_out_of_order_are_found(built, capsys, part):
    path = built.folder / part / "ids.npy"
    np.save(path, np.load(path)[::-1])
    resigned(built)
    assert f"{part}/ids.npy is not in order" in refused(built, capsys)


def test_ids_may_begin_anew_where_a_section_does(built):
    path = built.folder / "base" / "ids.npy"
    ids = np.load(path)
    np.save(path, np.concatenate([ids[60:], ids[:60]]))
    base, delta = built.manifest.segments
    resigned(built, segments=(replace(base, sections=(0, 30)), delta))
    assert verify_folder(built.folder, "x").segments[0].sections == (0, 30)
    resigned(built, segments=(replace(base, sections=(0, 31)), delta))
    with pytest.raises(InputError, match="is not in order"):
        verify_folder(built.folder, "x")


def test_an_id_that_comes_twice_is_found(built, capsys):
    path = built.folder / "base" / "ids.npy"
    ids = np.load(path)
    np.save(path, np.repeat(ids[:45], 2))
    resigned(built)
    assert "is not in order" in refused(built, capsys)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": 129}, "130 rows and 2 removed ones; the manifest has 129 photos"),
        ({"removed": 3}, "130 rows and 2 removed ones; the manifest has 128 photos and 3 removed"),
        ({"dimension": 17}, "16 dimensions"),
        ({"nlist": 9}, "8 lists; the manifest says"),
        ({"words": 3}, "has 2 words"),
    ],
)
def test_a_manifest_that_says_something_else_is_found(built, capsys, changes, message):
    resigned(built, **changes)
    assert message in refused(built, capsys)


def test_segments_follow_one_another(built, capsys):
    base, delta = built.manifest.segments
    resigned(built, segments=(base, replace(delta, first_row=91)))
    assert main([str(built.folder)]) == 1
    assert f"{DELTA} begins at row 91, want 90" in capsys.readouterr().err


def test_an_index_of_other_rows_is_found(built, capsys):
    shutil.copy(built.folder / "base" / "index.faiss", built.folder / DELTA / "index.faiss")
    resigned(built)
    assert f"{DELTA} has 90 vectors" in refused(built, capsys)


def test_errors_name_the_place_that_was_given(built):
    (built.folder / "removed.npy").unlink()
    with pytest.raises(InputError, match=r"^s3a://lake/index/b/removed\.npy is missing"):
        verify_folder(built.folder, "s3a://lake/index/b")


def test_a_bundle_of_a_store_is_verified(built, bucket, s3_files, capsys):
    place = f"s3a://{bucket}/index/b"
    for path in built.folder.rglob("*"):
        if path.is_file():
            s3_files.upload(path, f"{place}/{path.relative_to(built.folder)}")
    assert main([place]) == 0
    assert f"{place} is whole" in capsys.readouterr().out
    s3_files.write(f"{place}/base/ids.npy", b"changed")
    assert f"{place}/base/ids.npy was changed" in refused(built, capsys, [place])
