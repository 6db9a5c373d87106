import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.index.reader import SearchIndex
from tests.index.built import D, best_rows, build_bundle, photos
from tests.index.isolated import run_isolated

QUERIES = photos(10, 1_000)
REMOVED = (3, 50, 119, 120)
LEFT = sorted(set(range(150)) - set(REMOVED))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A bundle of two segments, of which some rows are removed; it carries a word."""
    folder = tmp_path_factory.mktemp("built") / "bundle"
    words = {"snow": np.eye(D)[0]}
    return build_bundle(folder, "IVF8_HNSW8,PQ4x4fsr,RFlat", (120, 30), REMOVED, words)


def test_a_bundle_that_is_loaded_finds_what_a_mapped_one_finds(built):
    mapped, loaded = (SearchIndex.open(built.folder, memory_map=each) for each in (True, False))
    found = [index.search(QUERIES, 6).rows.tolist() for index in (mapped, loaded)]
    assert found[0] == found[1]
    assert loaded.row_of(built.ids[7]) == 7


def test_a_bundle_works_at_another_place_where_nothing_can_be_written(built, tmp_path):
    moved = Path(shutil.copytree(built.folder, tmp_path / "elsewhere"))
    everything = sorted([moved, *moved.rglob("*")], reverse=True)
    for path in everything:
        path.chmod(stat.S_IRUSR | (stat.S_IXUSR if path.is_dir() else 0))
    before = {path: path.stat().st_mtime_ns for path in everything}
    index = SearchIndex.open(str(moved))
    assert (
        index.search(QUERIES, 5).rows.tolist()
        == best_rows(built.vectors, QUERIES, 5, LEFT).tolist()
    )
    assert index.search_photo(built.ids[0], 3).rows.shape == (1, 3)
    assert index.search_words(["snow"], 3).rows.shape == (1, 3)
    assert {path: path.stat().st_mtime_ns for path in everything} == before
    for path in reversed(everything):
        os.chmod(path, 0o700)


@pytest.mark.parametrize("name", ["manifest.json", "base/index.faiss", "base/ids.npy"])
def test_a_bundle_that_lacks_a_file_is_refused(tmp_path, name):
    built = build_bundle(tmp_path / "b", sizes=(50,))
    (built.folder / name).unlink()
    with pytest.raises(InputError, match="run build_index again"):
        SearchIndex.open(built.folder)


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00"])
def test_a_file_of_ids_that_is_no_array_is_refused(tmp_path, content):
    built = build_bundle(tmp_path / "b", sizes=(50,))
    (built.folder / "base" / "ids.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"ids\.npy is missing or no array"):
        SearchIndex.open(built.folder)


def test_a_folder_of_something_else_is_no_bundle(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match="is not an index bundle, it has no manifest"):
            SearchIndex.open(folder)


LOADER = """
import sys
import numpy as np
from devise_lib.index.reader import SearchIndex
from devise_lib.index.verify import verify_folder
from pathlib import Path

index = SearchIndex.open(sys.argv[1])
verify_folder(Path(sys.argv[1]), "bundle")
found = index.search(np.load(sys.argv[2]), 4)
print(found.rows.tolist(), index.photo_ids(found.rows).tolist())
"""


def test_the_loader_and_the_checks_need_faiss_and_numpy_alone(tmp_path):
    built = build_bundle(tmp_path / "bundle", "IVF8,SQ8", (60, 20), (3,))
    queries = photos(5, 7)
    np.save(tmp_path / "queries.npy", queries)
    words = [str(built.folder), str(tmp_path / "queries.npy")]
    done = run_isolated(LOADER, tmp_path / "alone", tmp_path, words, more=("devise_lib",))
    assert done.returncode == 0, done.stderr
    index = SearchIndex.open(built.folder)
    found = index.search(queries, 4)
    assert done.stdout == f"{found.rows.tolist()} {index.photo_ids(found.rows).tolist()}\n"


FAR = """
import sys
from devise_lib.errors import InputError
from devise_lib.index import verify
from devise_lib.index.reader import SearchIndex

try:
    SearchIndex.open("s3://bucket/index/one")
except InputError as error:
    print(error)
sys.exit(verify.main(["s3://bucket/index/one"]))
"""


def test_a_store_without_its_packages_is_told_in_one_line(tmp_path):
    done = run_isolated(FAR, tmp_path / "alone", tmp_path, more=("devise_lib",))
    assert done.returncode == 1, done.stderr
    for said in (done.stdout, done.stderr):
        assert said.startswith("s3://bucket/index/one lies on a store, and the package ")
        assert "install devise-spark[s3]" in said
        assert len(said.splitlines()) == 1
