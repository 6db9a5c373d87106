"""Chunks of what a run reads: Spark's own reading of files is the subject."""

import hashlib

import pytest

from devise_lib.spark.ingest import chunks as chunking
from devise_lib.spark.ingest.archive_members import archives_meet_files
from devise_lib.spark.ingest.chunks import cut_into_chunks
from devise_lib.spark.tables.caching import Scratch

pytestmark = pytest.mark.spark


def test_each_chunk_reads_its_own_items_alone(spark, tmp_path):
    """Of the kind: work that grows with the square of the number of chunks."""
    rows = [(hashlib.sha256(bytes([n])).hexdigest(), 1_000) for n in range(64)]
    items = spark.createDataFrame(rows, "digest string, size_bytes long")
    a_chunk = chunking.FILES_PER_SLOT * spark.sparkContext.defaultParallelism
    file_bytes = 64 * (1_000 + chunking.ROW_BYTES) // (3 * a_chunk)
    with Scratch(str(tmp_path / "run [1:2]")) as scratch:
        chunks = list(cut_into_chunks(items, file_bytes, scratch))
        files = [set(chunk.items.inputFiles()) for chunk in chunks]
        found = [row["digest"] for chunk in chunks for row in chunk.work.collect()]
    assert len(chunks) > 2
    assert all(files)
    assert sum(map(len, files)) == len(set().union(*files))
    assert sorted(found) == sorted(digest for digest, _ in rows)


@pytest.mark.parametrize(
    ("files", "archives", "meet"),
    [
        (["s/a/1.jpg"], ["s/b.tar", "s/c/d.tar"], False),
        (["s/a/1.jpg"], ["s/a.tar"], True),
        (["s/a/b/c/1.jpg"], ["s/a.tar"], True),
        (["s/ab/1.jpg"], ["s/a.tar"], False),
        ([], ["s/a.tar", "s/a/b.tar"], True),
        (["s/a"], ["s/a.tar"], False),
    ],
)
def test_archives_meet_files_where_something_lies_in_the_folder_that_they_stand_for(
    spark, files, archives, meet
):
    rows = [(path, "read") for path in files] + [(path, "archive") for path in archives]
    listed = spark.createDataFrame(rows, "path string, state string")
    assert archives_meet_files(listed) == meet
