"""Groups of duplicates need Spark: they are joins of tables, and rounds over edges."""

import numpy as np
import pytest
from pyspark.sql import functions as F

from devise_lib.config.search import BuildSignatures, FindDuplicates
from devise_lib.errors import InputError
from devise_lib.lsh.hashing import hamming
from devise_lib.spark.lsh.duplicates import hamming_column, write_duplicates
from devise_lib.spark.lsh.signing import write_signatures
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import PHOTOS
from tests.embedded import MODEL, as_rows, write_embeddings
from tests.rows import read_rows, row_of

pytestmark = pytest.mark.spark

D = 32


def nearly(vector, cosine, rng):
    """A unit vector with a cosine to another."""
    other = rng.standard_normal(len(vector))
    other -= (other @ vector) * vector
    other /= np.linalg.norm(other)
    return cosine * vector + np.sqrt(1 - cosine**2) * other


def pictures():
    """Vectors by id: copies of one, a chain of three, a pair that is only near, and others."""
    rng = np.random.default_rng(0)
    single = rng.standard_normal((40, D))
    single /= np.linalg.norm(single, axis=1, keepdims=True)
    vectors = {f"single{i:02}": v for i, v in enumerate(single)}
    vectors |= {f"copy{i}": single[0] for i in range(60)}
    start = single[1]
    middle = nearly(start, 0.985, rng)
    away = middle + 1.0 * (middle - start)  # on the other side, so that the ends are not alike
    vectors |= {"chain1": middle, "chain2": away / np.linalg.norm(away)}
    vectors["near"] = nearly(single[2], 0.95, rng)
    return vectors


@pytest.fixture(scope="module")
def grouped(spark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("duplicates")
    config = FindDuplicates(work_dir=str(folder), k=5, max_bucket=20, min_cosine=0.98)
    vectors = pictures()
    write_embeddings(spark, config, as_rows(vectors.values(), photo_ids=list(vectors)))
    tables = Tables.of(spark, config)
    sizes = {"copy7": 900, "chain1": 500}
    rows = [row_of(PHOTOS, photo_id=n, revision=1, size_bytes=sizes.get(n, 100)) for n in vectors]
    tables.append("photos", spark.createDataFrame(rows, PHOTOS))
    with pytest.raises(InputError, match="run build_signatures"):
        write_duplicates(tables, config, MODEL)
    write_signatures(tables, BuildSignatures(work_dir=str(folder), tables=4), MODEL)
    counts = write_duplicates(tables, config, MODEL)
    return tables, vectors, counts, read_rows(folder, "duplicate_groups")


def test_groups_are_what_pairs_connect_and_each_has_one_representative(grouped):
    _, _, counts, rows = grouped
    groups = {}
    for row in rows:
        groups.setdefault(row["group_id"], set()).add(row["photo_id"])
    copies = {"single00", *(f"copy{i}" for i in range(60))}
    assert groups == {"copy7": copies, "chain1": {"single01", "chain1", "chain2"}}
    assert counts.items() >= {"groups": 2, "photos": 64, "duplicates": 62}.items()
    assert counts["candidates scored"] > 0
    for row in rows:
        assert row["photos"] == len(groups[row["group_id"]])
        assert row["is_representative"] == (row["photo_id"] == row["group_id"])


def test_scores_are_cosines_with_the_representative(grouped):
    _, vectors, _, rows = grouped
    for row in rows:
        cosine = vectors[row["photo_id"]] @ vectors[row["group_id"]]
        assert row["score"] == pytest.approx(min(1, cosine), abs=1e-6)


def test_nothing_is_left_in_the_work_folder(grouped):
    tables = grouped[0]
    checkpoints = tables.spark._jvm.java.io.File(f"{tables.work_dir}/checkpoints/find_duplicates")
    assert not checkpoints.exists() or not checkpoints.list()


def test_a_second_run_replaces_the_groups(spark, grouped):
    tables, vectors, _, _ = grouped
    config = FindDuplicates(work_dir=tables.work_dir, k=5, max_bucket=20, min_cosine=1.0)
    counts = write_duplicates(tables, config, MODEL)
    assert counts.items() >= {"groups": 1, "photos": 61, "duplicates": 60}.items()
    wide = FindDuplicates(work_dir=tables.work_dir, k=5, max_bucket=20, min_cosine=0.94)
    assert write_duplicates(tables, wide, MODEL)["groups"] == 3
    kept = [name for name in vectors if name.startswith("single")]
    write_embeddings(spark, config, as_rows([vectors[n] for n in kept], photo_ids=kept))
    counts = write_duplicates(tables, config, MODEL)
    assert counts.items() >= {"groups": 0, "photos": 0, "duplicates": 0}.items()
    assert read_rows(tables.work_dir, "duplicate_groups") == []


def test_differing_bits_are_counted_by_native_functions(spark):
    rng = np.random.default_rng(0)
    words = rng.integers(-(2**63), 2**63 - 1, (20, 2, 4))
    frame = spark.createDataFrame(words.tolist(), "a array<bigint>, b array<bigint>")
    found = [row[0] for row in frame.select(hamming_column(F.col("a"), F.col("b"))).collect()]
    assert found == hamming(words[:, 0], words[:, 1]).tolist()
