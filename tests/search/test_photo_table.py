"""What is read of a table of photos, and of which of its files."""

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from devise_lib.errors import InputError
from devise_lib.search.photo_table import PhotoAbout, PhotoTable

OLD = pa.table({"photo_id": ["a", "b"], "path": ["/a", "/b"], "revision": [1, 1]})
NEW = pa.table(
    {
        "photo_id": ["b", "x y"],
        "path": ["/b2", "/x"],
        "owner": ["ann", "bob"],
        "revision": [2, 1],
        "content": [b"B", b"X"],
    }
)
EVERY = {
    "a": PhotoAbout(path="/a"),
    "b": PhotoAbout(path="/b2", owner="ann"),
    "x y": PhotoAbout(path="/x", owner="bob"),
}


@pytest.fixture(params=["parquet", "delta"])
def table(request, tmp_path):
    """Two files, of which the second has columns that the first lacks."""
    folder = tmp_path / "photos of 2026"
    if request.param == "parquet":
        folder.mkdir()
        for name, rows in (("0.parquet", OLD), ("1.parquet", NEW)):
            pq.write_table(rows, folder / name)
    else:
        write_deltalake(folder, OLD)
        write_deltalake(folder, NEW, mode="append", schema_mode="merge")
    return PhotoTable.open(folder)


def test_the_newest_revision_counts_and_columns_that_came_later_are_there(table):
    assert table.about(["a", "b", "x y", "nobody"]) == EVERY
    assert table.about([]) == {}
    assert table.contents(["b", "x y"]) == {"b": b"B", "x y": b"X"}


def test_many_ids_are_looked_up_as_few_are(table):
    assert table.about([*EVERY, *map(str, range(500))]) == EVERY


def test_files_whose_ids_are_others_are_not_opened(tmp_path, monkeypatch):
    for start in range(0, 100, 10):
        ids = [f"p{number:03d}" for number in range(start, start + 10)]
        write_deltalake(tmp_path, pa.table({"photo_id": ids, "path": ids}), mode="append")
    table, opened = PhotoTable.open(tmp_path), []
    dataset = ds.dataset

    def spy(files, **values):
        opened.append(len(files))
        return dataset(files, **values)

    monkeypatch.setattr("devise_lib.search.photo_table.ds.dataset", spy)
    assert table.about(["p005", "p037"]).keys() == {"p005", "p037"}
    assert table.about(["q"]) == {}
    assert opened == [2]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.write_text("no table"), "is no table: want Parquet files"),
        (lambda path: pq.write_table(pa.table({"id": ["a"]}), path), "has no column photo_id; it"),
        (lambda path: (path / "_delta_log").mkdir(parents=True), "cannot be read as a Delta table"),
        (lambda _: None, "there is no table"),
    ],
)
def test_what_is_no_table_of_photos_is_told(tmp_path, make, told):
    make(tmp_path / "given")
    with pytest.raises(InputError, match=told):
        PhotoTable.open(tmp_path / "given")
