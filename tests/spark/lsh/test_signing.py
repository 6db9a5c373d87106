"""Signing needs Spark: workers hash Arrow batches, and a MERGE of Delta keeps SIGNATURES."""

import json

import numpy as np
import pytest

from devise_lib.config.search import BuildSignatures
from devise_lib.errors import InputError
from devise_lib.lsh.buckets import TableStatistics
from devise_lib.lsh.theory import collision_probability
from devise_lib.spark.lsh.hashes import prefix_bits, read_hash
from devise_lib.spark.lsh.signing import sign, write_signatures
from devise_lib.spark.lsh.statistics import write_statistics
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import EMBEDDINGS
from tests.embedded import MODEL, as_rows, clustered, names, write_embeddings
from tests.rows import read_rows

pytestmark = pytest.mark.spark

N = 120
VECTORS = clustered(N)


def configure(folder, **values):
    return BuildSignatures(work_dir=str(folder), **{"bits": 12, "tables": 3, "seed": 4} | values)


def rows_by_id(folder):
    return {row["photo_id"]: row for row in read_rows(folder, "signatures")}


def embed(spark, config, vectors, files, photo_ids):
    at = EMBEDDINGS.names.index("sha256")
    rows = zip(as_rows(vectors, photo_ids=photo_ids), files, strict=True)
    write_embeddings(spark, config, [(*row[:at], file, *row[at + 1 :]) for row, file in rows])


def test_codes_do_not_depend_on_partitions_and_batches(spark, tmp_path):
    config = configure(tmp_path)
    write_embeddings(spark, config, as_rows(VECTORS), partitions=3)
    tables = Tables.of(spark, config)
    made, counts = write_signatures(tables, config, MODEL)
    assert counts == {"signatures": N, "signed": N, "dropped": 0}
    found = rows_by_id(tmp_path)
    codes, signatures = made.hash.codes(VECTORS), made.hash.signatures(VECTORS)
    for name, code, signature in zip(names(N), codes.tolist(), signatures.tolist(), strict=True):
        assert (found[name]["codes"], found[name]["signature"]) == (code, signature)
        assert found[name]["hash_id"] == made.hash_id
    again = sign(tables.read("embeddings").repartition(7), made.hash).collect()
    assert {row["photo_id"]: row["codes"] for row in again} == {
        name: row["codes"] for name, row in found.items()
    }


def test_the_file_of_a_hash_is_applied_by_numpy_alone(spark, tmp_path):
    config = configure(tmp_path, hash="median", fit_photos=50)
    write_embeddings(spark, config, as_rows(VECTORS))
    write_signatures(Tables.of(spark, config), config, MODEL)
    [made] = read_rows(tmp_path, "hashes")
    with np.load(tmp_path / made["file"]) as arrays:
        planes, thresholds = arrays["planes"].astype(float), arrays["thresholds"]
        signature_planes = arrays["signature_planes"].astype(float)
    query = VECTORS[5].astype(float)
    codes = (planes @ query > thresholds) @ (1 << np.arange(made["bits"])[::-1])
    packed = np.packbits(signature_planes @ query > 0, bitorder="little").view(np.int64)
    row = rows_by_id(tmp_path)[names(N)[5]]
    assert (row["codes"], row["signature"]) == (codes.tolist(), packed.tolist())


def test_a_second_run_touches_what_is_new_changed_or_gone_alone(spark, tmp_path):
    config = configure(tmp_path)
    tables = Tables.of(spark, config)
    ids = [f"p{i:03}" for i in range(100)]
    embed(spark, config, VECTORS[:100], ["old"] * 100, ids)
    made, _ = write_signatures(tables, config, MODEL)
    before = rows_by_id(tmp_path)
    version = tables.version("signatures")

    again, counts = write_signatures(tables, config, MODEL)
    assert (again.hash_id, counts) == (
        made.hash_id,
        {"signatures": 100, "signed": 0, "dropped": 0},
    )
    assert tables.version("signatures") == version  # no commit where no row changes

    # p000 to p009 are gone, p010 to p014 changed, and five are new.
    ids = [f"p{i:03}" for i in range(10, 105)]
    files = ["new"] * 5 + ["old"] * 85 + ["first"] * 5
    vectors = np.concatenate([VECTORS[105:110], VECTORS[15:100], VECTORS[100:105]])
    embed(spark, config, vectors, files, ids)
    again, counts = write_signatures(tables, config, MODEL)
    assert again.hash_id == made.hash_id
    assert counts == {"signatures": 95, "signed": 10, "dropped": 10}
    found = rows_by_id(tmp_path)
    wanted = dict(zip(ids, made.hash.codes(vectors).tolist(), strict=True))
    assert {name: row["codes"] for name, row in found.items()} == wanted
    assert all(found[f"p{i:03}"] == before[f"p{i:03}"] for i in range(15, 100))


def test_other_keys_make_another_hash_and_sign_all_photos(spark, tmp_path):
    config = configure(tmp_path)
    write_embeddings(spark, config, as_rows(VECTORS))
    tables = Tables.of(spark, config)
    first, _ = write_signatures(tables, config, MODEL)
    other = configure(tmp_path, hash="pca", bits=8)
    second, counts = write_signatures(tables, other, MODEL)
    assert (second.hash.bits, counts["signed"]) == (8, N)
    assert {row["hash_id"] for row in read_rows(tmp_path, "signatures")} == {second.hash_id}
    assert [row["hash_id"] for row in read_rows(tmp_path, "hashes")] == [second.hash_id]
    assert [path.stem for path in (tmp_path / "hashes").iterdir()] == [second.hash_id]
    assert read_rows(tmp_path, "hashes")[0]["meet_probability"] is None
    assert second.promise() == {}
    rebuilt, counts = write_signatures(
        tables, configure(tmp_path, hash="pca", bits=8, mode="rebuild"), MODEL
    )
    assert (rebuilt.hash_id, counts["signed"]) == (second.hash_id, N)  # the same photos and seed
    assert first.hash_id != second.hash_id

    (tmp_path / "hashes" / f"{second.hash_id}.npz").write_bytes(first.hash.to_bytes())
    with pytest.raises(InputError, match="is not the file that build_signatures wrote: run"):
        read_hash(tables, MODEL)
    mended, _ = write_signatures(tables, other, MODEL)
    assert read_hash(tables, MODEL).hash_id == mended.hash_id == second.hash_id


def test_embeddings_without_a_direction_have_no_signature(spark, tmp_path):
    """Nor do those that had one before."""
    config = configure(tmp_path)
    vectors = [*VECTORS[:50], np.zeros(16), np.full(16, np.nan)]
    ids = [f"p{i:02}" for i in range(52)]
    embed(spark, config, vectors, ["old"] * 52, ids)
    _, counts = write_signatures(Tables.of(spark, config), config, MODEL)
    assert counts == {"signatures": 50, "signed": 50, "dropped": 0, "without a signature": 2}
    vectors[0] = np.zeros(16)
    embed(spark, config, vectors, ["new", *["old"] * 51], ids)
    _, counts = write_signatures(Tables.of(spark, config), config, MODEL)
    assert counts == {"signatures": 49, "signed": 0, "dropped": 1, "without a signature": 3}
    assert set(rows_by_id(tmp_path)) == set(ids[1:50])


@pytest.mark.parametrize(
    ("vectors", "values", "message"),
    [
        ([], {}, "EMBEDDINGS has no photo of model devise-v1: run embed_photos"),
        ([VECTORS[0], VECTORS[1][:5]], {}, "have 5 to 16 numbers and 0 are null"),
        ([VECTORS[0], None], {}, "and 1 are null"),
        ([VECTORS[0], VECTORS[1], "p00000"], {}, "2 embeddings .* are of 1 photos, want one"),
        (
            VECTORS,
            {"tables": 0, "bucket_size": 1, "target_cosine": 0.01, "target_recall": 0.9999},
            "wants .* tables for target_recall 0.9999 at .*, above 1,000: raise bucket_size",
        ),
        (VECTORS[:3], {"hash": "itq", "bits": 17}, "build_signatures: .* bits <= 16; got 17"),
    ],
)
def test_what_cannot_be_hashed_is_told(spark, tmp_path, vectors, values, message):
    config = configure(tmp_path, **values)
    ids = None
    if len(vectors) and isinstance(vectors[-1], str):  # of all photos
        *vectors, name = vectors
        ids = [name] * len(vectors)
    write_embeddings(spark, config, as_rows(vectors, photo_ids=ids), partitions=1)
    with pytest.raises(InputError, match=message):
        write_signatures(Tables.of(spark, config), config, MODEL)


def test_tables_are_solved_for_prefixes_that_bucket_size_photos_share(spark, tmp_path):
    config = configure(tmp_path, tables=0, bucket_size=2, target_cosine=0.9, target_recall=0.95)
    write_embeddings(spark, config, as_rows(VECTORS))
    made, _ = write_signatures(Tables.of(spark, config), config, MODEL)
    assert (made.prefix_bits, made.hash.bits) == (6, 12)
    reached = [collision_probability(0.9, 6, made.hash.tables - less) for less in (0, 1)]
    assert reached[0] >= 0.95 > reached[1]
    [row] = read_rows(tmp_path, "hashes")
    assert row["meet_probability"] == pytest.approx(reached[0])
    assert json.loads(row["parameters"])["target_recall"] == 0.95


@pytest.mark.parametrize(
    ("photos", "bits", "wanted"),
    [(1, 24, 4), (3_000, 24, 4), (64_000, 24, 7), (100_000_000, 24, 18), (100_000_000, 12, 12)],
)
def test_prefixes_grow_with_the_photos(photos, bits, wanted):
    assert prefix_bits(photos, 500, bits) == wanted


def test_statistics_are_those_of_the_prefixes(spark, tmp_path):
    config = configure(tmp_path, tables=2)
    write_embeddings(spark, config, as_rows(VECTORS))
    tables = Tables.of(spark, config)
    made, _ = write_signatures(tables, config, MODEL)
    found = write_statistics(tables, made, MODEL)
    codes = made.hash.codes(VECTORS)
    for table, each in enumerate(found):
        _, counts = np.unique(codes[:, table] >> 8, return_counts=True)
        shares = counts / N
        assert (each.photos, each.bits) == (N, 4)
        assert (each.occupied, each.largest) == (len(counts), counts.max())
        assert each.expected_candidates == pytest.approx(N * (shares**2).sum())
        assert each.entropy == pytest.approx(-(shares * np.log2(shares)).sum())
        ones = [np.mean(codes[:, table] >> (11 - i) & 1) for i in range(12)]
        assert each.balance == pytest.approx(ones)
    rows = sorted(read_rows(tmp_path, "bucket_statistics"), key=lambda row: row["table"])
    assert [row["largest_share"] for row in rows] == [each.largest_share for each in found]
    assert isinstance(found[0], TableStatistics)
