"""The export needs Spark: it sorts SIGNATURES of Delta, and one task of it makes the indexes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import functions as F

from devise_lib.config.search import BuildSignatures, ExportSignatures
from devise_lib.errors import InputError
from devise_lib.index import binary_bundle
from devise_lib.lsh.hashing import hamming
from devise_lib.spark.lsh.export import export_signatures
from devise_lib.spark.lsh.hashes import read_hash
from devise_lib.spark.lsh.signing import write_signatures
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.storage.files import file_sha256
from tests.embedded import MODEL, as_rows, clustered, write_embeddings
from tests.index.isolated import run_isolated
from tests.rows import read_rows, write_rows

pytestmark = pytest.mark.spark

N = 240
VECTORS = clustered(N)
IDS = [f"é{i}" if i % 5 else f"photo{i}" for i in range(N)]
ALL = {"kinds": ("ivf", "hash", "multi_hash"), "probes": 4, "hash_bits": 4, "flips": 4}


def configure(folder, **values):
    return ExportSignatures(work_dir=str(folder), **values)


def root_of(folder) -> Path:
    return Path(folder) / "binary_index"


def current(folder) -> Path:
    """The published bundle."""
    return root_of(folder) / (root_of(folder) / "CURRENT").read_text(encoding="utf-8").strip()


def manifest_of(bundle: Path) -> dict:
    return json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))


def export(spark, config):
    return export_signatures(Tables.of(spark, config), config, MODEL, "run")


@pytest.fixture(scope="module")
def signed(spark, tmp_path_factory):
    """A work folder with signatures of MODEL, and of another model that is not exported."""
    folder = tmp_path_factory.mktemp("signed")
    config = BuildSignatures(work_dir=str(folder), bits=8, tables=2)
    other = as_rows(VECTORS[:5], "devise-v2", [f"other{i}" for i in range(5)])
    write_embeddings(spark, config, as_rows(VECTORS, photo_ids=IDS) + other)
    for model in (MODEL, "devise-v2"):
        write_signatures(Tables.of(spark, config), config, model)
    return folder


@pytest.fixture(scope="module")
def exported(spark, signed):
    config = configure(signed, **ALL)
    made, place = export(spark, config)
    assert place == str(current(signed))
    return made, current(signed), read_rows(signed, "signatures")


@pytest.fixture
def work(signed, tmp_path):
    """A copy of the work folder without its bundles."""
    folder = tmp_path / "work"
    shutil.copytree(signed, folder, ignore=shutil.ignore_patterns("binary_index"))
    return folder


def nearest_by_force(rows):
    """For each photo the distances of all photos of MODEL by id, from the table."""
    rows = [row for row in rows if row["model_id"] == MODEL]
    words = np.array([row["signature"] for row in rows])
    every = hamming(words[:, None], words[None])
    names = [row["photo_id"] for row in rows]
    by_id = [dict(zip(names, each, strict=True)) for each in every.tolist()]
    return dict(zip(names, by_id, strict=True))


@pytest.mark.parametrize("kind", ALL["kinds"])
def test_the_moved_folder_answers_with_faiss_and_numpy_alone(exported, tmp_path, kind):
    made, bundle, rows = exported
    moved = tmp_path / "moved"
    shutil.copytree(bundle, moved)
    asked = range(0, N, 12)
    np.save(tmp_path / "queries.npy", 3 * VECTORS[asked])  # of any norm
    text = (moved / "README.md").read_text(encoding="utf-8")
    program = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))
    assert "ivf.faiss" in program
    program = program.replace("ivf.faiss", made.indexes[kind].file)
    words = [str(tmp_path / "queries.npy")]
    done = run_isolated(program, tmp_path / "alone", moved, words)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) == len(asked)
    every = nearest_by_force(rows)
    for i, line in zip(asked, lines, strict=True):
        found = dict(zip(line[::2], map(int, line[1::2]), strict=True))
        assert found[IDS[i]] == 0
        assert {name: every[IDS[i]][name] for name in found} == found
        if kind != "multi_hash":  # These search all photos.
            assert sorted(found.values()) == sorted(every[IDS[i]].values())[:10]


def test_ids_are_those_of_the_rows_in_order(exported):
    _, bundle, _ = exported
    ids = np.load(bundle / "ids.npy")
    assert [name.decode() for name in ids] == sorted(IDS, key=str.encode)


def test_the_manifest_says_what_the_bundle_is(exported, signed):
    made, bundle, _ = exported
    told = manifest_of(bundle)
    [stored] = [row for row in read_rows(signed, "hashes") if row["model_id"] == MODEL]
    wanted = {"format": 1, "model_id": MODEL, "hash_id": stored["hash_id"], "dimension": 16}
    wanted |= {"table": "signatures", "run_id": "run", "n": N, "bits": 256, "k": 10}
    wanted |= {"queries": 24, "trained_on": N - 24, "seed": 0, "faiss_version": "1.15.1"}
    assert {name: told[name] for name in wanted} == wanted
    assert told["table_version"] == 1  # the second model's commit
    assert told["indexes"]["ivf"]["parameters"] == {"nlist": 5, "nprobe": 4}
    assert told["indexes"]["hash"]["radius"] == 4
    assert told["indexes"]["hash"]["recall"] == 1.0  # It compares a query with all photos.
    assert told["indexes"]["ivf"]["recall"] == made.indexes["ivf"].recall > 0.5
    assert set(told["files"]) == {path.name for path in bundle.iterdir()} - {"manifest.json"}
    for name, about in told["files"].items():
        path = bundle / name
        assert about == {"size": path.stat().st_size, "sha256": file_sha256(path)}
    stored_hash = (Path(signed) / stored["file"]).read_bytes()
    assert (bundle / "hash.npz").read_bytes() == stored_hash


def test_a_new_export_takes_over_and_old_ones_are_dropped(spark, work):
    bundles = []
    for kind in ("hash", "multi_hash", "ivf"):
        export(spark, configure(work, kinds=kind, keep_bundles=2))
        bundles.append(current(work).name)
    assert {path.name for path in root_of(work).iterdir()} == {"CURRENT", *bundles[1:]}
    assert list(manifest_of(current(work))["indexes"]) == ["ivf"]
    again = configure(work, kinds="multi_hash", keep_bundles=2)  # the same files, the same name
    export(spark, again)
    assert current(work).name == bundles[1]
    export(spark, configure(work, kinds="hash", keep_bundles=1))
    assert {path.name for path in root_of(work).iterdir()} == {"CURRENT", bundles[0]}


def test_a_failure_leaves_the_published_bundle_as_it_was(spark, work, monkeypatch):
    export(spark, configure(work, kinds="hash"))
    before = {path: path.read_bytes() for path in root_of(work).rglob("*") if path.is_file()}
    (root_of(work) / ".draft-killed").mkdir()
    (root_of(work) / ".draft-killed" / "ivf.faiss").write_bytes(b"a part")

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(binary_bundle, "publish_folder", fail)
    with pytest.raises(OSError, match="no space left"):
        export(spark, configure(work, kinds="multi_hash"))
    after = {path: path.read_bytes() for path in root_of(work).rglob("*") if path.is_file()}
    assert after == before
    assert {path.name for path in root_of(work).iterdir()} == {"CURRENT", current(work).name}


def test_without_a_hash_or_signatures_the_job_to_run_is_named(spark, work, tmp_path):
    empty = configure(tmp_path / "empty")
    with pytest.raises(InputError, match="run build_signatures"):
        export(spark, empty)
    config = configure(work)
    with pytest.raises(InputError, match="no hash of model devise-v9: run build_signatures"):
        export_signatures(Tables.of(spark, config), config, "devise-v9", "run")
    tables = Tables.of(spark, config)
    hash_id = read_hash(tables, MODEL).hash_id
    tables.delete("signatures", F.col("model_id") == MODEL)
    one = {"photo_id": "a", "model_id": MODEL, "hash_id": hash_id, "signature": [1, 2, 3, 4]}
    write_rows(work, "signatures", [one])
    with pytest.raises(InputError, match=r"has 1 photos of .*, want two at least: run build_sig"):
        export(spark, config)
    write_rows(work, "signatures", [one | {"photo_id": "b", "signature": [1, 2, 3]}])
    with pytest.raises(InputError, match=r"1 signatures of .* have not 256 bits: run build_sig"):
        export(spark, config)
    assert not root_of(work).exists()


def test_two_photos_are_enough(spark, work):
    tables = Tables.of(spark, configure(work))
    tables.delete("signatures", (F.col("model_id") == MODEL) & ~F.col("photo_id").isin(IDS[:2]))
    made, _ = export(spark, configure(work, **(ALL | {"hash_bits": 0})))
    assert (made.n, made.k, made.queries) == (2, 1, 1)
    assert made.indexes["ivf"].parameters == {"nlist": 1, "nprobe": 1}
    assert made.indexes["ivf"].recall == 1.0
