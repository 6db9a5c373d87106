"""Binary indexes of FAISS beside every Hamming distance there is, without Spark."""

import json
from typing import get_args

import faiss
import numpy as np
import pytest

from devise_lib.config.search import BinaryKind
from devise_lib.index import binary
from devise_lib.index.binary import (
    INDEXES,
    Asked,
    Sample,
    Wanted,
    make_index,
    measure,
    parameters_of,
    radius_of,
    write_index,
)
from devise_lib.index.binary_bundle import (
    BinaryIndexes,
    Origin,
    binary_root,
    publish_indexes,
    write_indexes,
)
from devise_lib.index.bundle import drop_drafts
from devise_lib.index.manifest import IDS_FILE
from devise_lib.storage.copies import fetched_folder
from devise_lib.storage.files import file_sha256, folders_in
from devise_lib.storage.stores import store_files

N, BYTES = 1_200, 32
WIDE = {  # all lists, and flips of all bits that are looked up
    "ivf": {"lists": 6, "probes": 6},
    "hash": {"hash_bits": 6, "flips": 6},
    "multi_hash": {"multi_hash_tables": 3, "multi_hash_bits": 5, "flips": 5},
}


def wanted(*kinds, **values) -> Wanted:
    defaults = {"lists": 0, "probes": 2, "hash_bits": 0, "multi_hash_tables": 8}
    defaults |= {"multi_hash_bits": 0, "flips": 1, "queries": 50, "seed": 3}
    return Wanted(kinds=kinds, **(defaults | values))


def some_codes(n=N, seed=0):
    """(n, BYTES): copies of some codes with flipped bits, so that some are near each other."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (n // 20 + 1, 8 * BYTES), np.uint8)[rng.integers(n // 20 + 1, size=n)]
    flipped = rng.random(bits.shape) < 0.1
    return np.packbits(bits ^ flipped, axis=1, bitorder="little")


def distances(first, second):
    """(a, b), every Hamming distance of codes (a, BYTES) and (b, BYTES)."""
    differing = first[:, None] ^ second[None]
    return np.unpackbits(differing, axis=2).sum(axis=2)


CODES = some_codes()
QUERIES = some_codes(1_300)[N:]  # near the same codes
TRUTH = distances(QUERIES, CODES)


def made(kind, codes=CODES, **values):
    how = wanted(kind, **values)
    return make_index(kind, codes, Sample.draw(len(codes), how), how)


def test_the_configuration_has_all_kinds():
    assert tuple(INDEXES) == get_args(BinaryKind)


@pytest.mark.parametrize("kind", INDEXES)
def test_wide_parameters_answer_like_every_distance(kind):
    found, rows = made(kind, **WIDE[kind]).search(QUERIES, 10)
    assert found.tolist() == np.sort(TRUTH, axis=1)[:, :10].tolist()
    assert np.take_along_axis(TRUTH, rows, axis=1).tolist() == found.tolist()


def test_codes_come_in_parts_and_from_a_mapped_file(monkeypatch, tmp_path):
    whole = {kind: made(kind) for kind in INDEXES}
    exact = Asked.of(CODES, np.arange(0, N, 40))
    CODES.tofile(tmp_path / "codes")
    mapped = np.memmap(tmp_path / "codes", np.uint8, "r").reshape(N, -1)
    monkeypatch.setattr(binary, "CHUNK", 7)
    for kind, index in whole.items():
        assert faiss.serialize_index_binary(made(kind, mapped)).tolist() == (
            faiss.serialize_index_binary(index).tolist()
        )
    again = Asked.of(mapped, np.arange(0, N, 40))
    assert again.farthest.tolist() == exact.farthest.tolist()


@pytest.mark.parametrize(
    ("kind", "values", "told"),
    [
        ("ivf", {"lists": 9, "probes": 4}, {"nlist": 9, "nprobe": 4}),
        ("ivf", {"lists": 1_000, "probes": 64}, {"nlist": 29, "nprobe": 29}),  # 1,150 train
        ("ivf", {"probes": 4}, {"nlist": 29, "nprobe": 4}),
        ("hash", {"hash_bits": 9, "flips": 2}, {"b": 9, "nflip": 2}),
        ("hash", {}, {"b": 4, "nflip": 1}),  # 75 codes a bucket
        ("hash", {"hash_bits": 2, "flips": 3}, {"b": 2, "nflip": 2}),
        ("multi_hash", {"multi_hash_bits": 11}, {"nhash": 8, "b": 11, "nflip": 1}),
        ("multi_hash", {}, {"nhash": 8, "b": 7, "nflip": 1}),  # 9 codes a bucket
        ("multi_hash", {"multi_hash_tables": 64}, {"nhash": 64, "b": 4, "nflip": 1}),
    ],
)
def test_parameters_are_those_that_the_file_has(tmp_path, kind, values, told):
    index = made(kind, **values)
    assert parameters_of(index) == told
    path = tmp_path / "index"
    with path.open("wb") as file:
        write_index(index, file)
    read = faiss.read_index_binary(str(path))
    assert (type(read), parameters_of(read), read.ntotal) == (type(index), told, N)
    for got, want in zip(read.search(QUERIES, 5), index.search(QUERIES, 5), strict=True):
        assert got.tolist() == want.tolist()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("hash", {"hash_bits": 12, "flips": 3}),
        ("multi_hash", {"multi_hash_tables": 10, "multi_hash_bits": 8, "flips": 2}),
    ],
)
def test_a_hash_finds_everything_up_to_its_radius(kind, values):
    index = made(kind, **values)
    radius = radius_of(parameters_of(index))
    assert radius == {"hash": 3, "multi_hash": 29}[kind]
    rng = np.random.default_rng(1)
    bits = np.unpackbits(CODES[:200], axis=1, bitorder="little")
    for row in bits:  # the worst case: all of them in the bits that are looked up
        row[rng.permutation(80 if kind == "multi_hash" else 12)[:radius]] ^= 1
    _, rows = index.search(np.packbits(bits, axis=1, bitorder="little"), N)
    assert all(row in found for row, found in enumerate(rows))


def test_lists_have_no_radius():
    assert radius_of(parameters_of(made("ivf"))) is None


def test_a_hash_takes_the_first_bits_from_the_lowest():
    index = made("hash", hash_bits=3, flips=0)
    _, rows = index.search(QUERIES[:1], N)
    same = np.flatnonzero((CODES[:, 0] & 7) == (QUERIES[0, 0] & 7))
    assert sorted(rows[rows >= 0]) == same.tolist()


@pytest.mark.parametrize("n", [2, 3, 40, N])
def test_a_sample_is_drawn_by_the_seed_and_its_queries_do_not_train(n):
    how = wanted("ivf")
    sample = Sample.draw(n, how)
    rows = np.concatenate([sample.train, sample.queries])
    assert len(set(rows.tolist())) == len(rows) <= n
    assert rows.min() >= 0
    assert rows.max() < n
    assert len(sample.queries) == min(50, max(n // 10, 1))
    again = Sample.draw(n, how)
    assert again.queries.tolist() == sample.queries.tolist()
    assert again.train.tolist() == sample.train.tolist()
    other = Sample.draw(N, wanted("ivf", seed=4))
    assert other.queries.tolist() != Sample.draw(N, how).queries.tolist()


def test_the_sample_is_bounded():
    sample = Sample.draw(10**10, wanted("ivf", lists=3))
    assert (len(sample.train), len(sample.queries)) == (3 * 64, 50)
    assert len(Sample.draw(10**10, wanted("ivf")).train) == 2**20


def test_one_code_makes_no_index():
    with pytest.raises(ValueError, match="want two codes at least, got 1"):
        Sample.draw(1, wanted("ivf"))


@pytest.mark.parametrize(("kind", "values"), [("ivf", {"probes": 1}), ("hash", {"hash_bits": 9})])
def test_recall_is_the_share_of_exact_results(kind, values):
    own = np.arange(0, N, 13)
    asked = Asked.of(CODES, own)
    every = distances(CODES[own], CODES)
    every[np.arange(len(own)), own] = 999
    limits = np.sort(every, axis=1)[:, 9]
    assert asked.farthest.tolist() == limits.tolist()
    index = made(kind, **values)
    _, rows = index.search(CODES[own], 11)
    hits = [
        sum(r >= 0 and r != me and near[r] <= limit for r in found)
        for found, me, near, limit in zip(rows, own, every, limits, strict=True)
    ]
    quality = measure(index, asked, 1)
    assert quality.recall == pytest.approx(sum(min(hit, 10) for hit in hits) / 10 / len(own))
    assert 0.1 < quality.recall < 1
    assert quality.queries_per_s > 0


def test_recall_of_few_codes_and_of_copies_is_whole():
    for codes in (CODES[:4], np.repeat(CODES[:1], 30, axis=0)):
        asked = Asked.of(codes, np.arange(len(codes)))
        assert asked.k == min(len(codes) - 1, 10)
        assert measure(made("ivf", codes), asked, 1).recall == 1.0


def batches_of(codes, ids):
    words = codes.view("<i8")
    return [(ids[at : at + 500], words[at : at + 500]) for at in range(0, len(codes), 500)]


def test_files_of_all_kinds_are_written_with_what_was_measured(tmp_path):
    ids = sorted(f"é{i}" for i in range(N))
    how = wanted(*INDEXES, lists=8)
    folder = tmp_path / "folder"
    about = write_indexes(str(folder), batches_of(CODES, ids), N, 6, how)
    assert BinaryIndexes.from_json(about.to_json()) == about
    assert json.loads(about.to_json())["bits"] == 256
    assert (about.n, about.k, about.queries, about.trained_on) == (N, 10, 50, 8 * 64)
    assert {path.name for path in folder.iterdir()} == set(about.files)
    assert [name.decode() for name in np.load(folder / IDS_FILE)] == ids
    for name, file in about.files.items():
        path = folder / name
        assert (file.size, file.sha256) == (path.stat().st_size, file_sha256(path))
    asked = Asked.of(CODES, Sample.draw(N, how).queries)
    for kind, each in about.indexes.items():
        index = faiss.read_index_binary(str(folder / each.file))
        assert each.parameters == parameters_of(index)
        assert each.radius == radius_of(each.parameters)
        assert each.recall == measure(index, asked, 1).recall
        assert each.bytes_per_photo == about.files[each.file].size / N
        assert index.search(CODES, 1)[0].tolist() == [[0]] * N, kind
    only = write_indexes(str(tmp_path / "one"), batches_of(CODES, ids), N, 6, wanted("hash"))
    assert (list(only.indexes), only.trained_on) == (["hash"], 0)


@pytest.mark.usefixtures("s3_files")
def test_a_bundle_of_a_store_is_published_and_its_drafts_are_dropped(bucket):
    root = binary_root(f"s3a://{bucket}/work")
    ids = [f"p{i:04}" for i in range(N)]
    origin = Origin("devise-v1", "hash", 16, "signatures", 3, "run")
    for kind in ("hash", "ivf"):
        draft = f"{root}/.draft-{kind}"
        about = write_indexes(draft, batches_of(CODES, ids), N, 5, wanted(kind))
        place = publish_indexes(draft, about, origin, b"planes", root, keep=1)
    write_indexes(f"{root}/.draft-killed", batches_of(CODES, ids), N, 5, wanted("hash"))
    drop_drafts(root, ".draft-", keep="")
    name = place.removeprefix(f"{root}/")
    assert folders_in(store_files(), root) == [name]
    assert store_files().read(f"{root}/CURRENT") == f"{name}\n".encode()
    with fetched_folder(place) as folder:
        told = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        assert set(told["files"]) == {path.name for path in folder.iterdir()} - {"manifest.json"}
        assert told["files"]["ivf.faiss"]["sha256"] == file_sha256(folder / "ivf.faiss")
        assert f"| {about.indexes['ivf'].file} | nlist = 29, nprobe = 2: finds " in (
            (folder / "README.md").read_text(encoding="utf-8")
        )
