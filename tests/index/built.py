"""Indexes that are built from vectors in memory, without Spark: plans, segments and bundles."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from devise_lib.index.building.assembly import assemble
from devise_lib.index.building.merging import write_layout, write_part
from devise_lib.index.building.plan import BuildPlan
from devise_lib.index.building.products import Product
from devise_lib.index.building.shards import Batch, write_shard
from devise_lib.index.building.trained import TrainedIndex
from devise_lib.index.building.training import train_index
from devise_lib.index.building.training_steps import SEEDS, TRAINED
from devise_lib.index.factory import METRIC, IndexKey
from devise_lib.index.index_file import VERSION
from devise_lib.index.manifest import (
    BASE,
    MANIFEST_FILE,
    README_FILE,
    REMOVED_FILE,
    WORD_VECTORS_FILE,
    WORDS_FILE,
    FileAbout,
    Manifest,
    Segment,
)
from devise_lib.index.places import place_of
from devise_lib.index.readme import how_to_query, readme
from devise_lib.index.settings import Point, SearchSettings
from devise_lib.storage.copies import write_hashed
from devise_lib.storage.files import file_sha256
from tests.embedded import clustered

D = 16
POOL = clustered(1_500, D, seed=5)  # one set of things, of which all photos here are
SAMPLE = POOL[:300]
POINT = Point(SearchSettings(8), 0.98, 0.97, 0.99, 1000.0, 0.5)


def photos(n: int, start: int = 0) -> np.ndarray:
    """n vectors (n, D) that are not in SAMPLE."""
    return POOL[len(SAMPLE) + start :][:n]


@cache
def trained(key: str) -> TrainedIndex:
    """An empty index that is trained on SAMPLE; nothing changes it."""
    return train_index(IndexKey.parse(key), SAMPLE, seed=0)


def names(n: int, start: int = 0) -> list[str]:
    """n photo ids in the order of an index's rows, some of them not ASCII."""
    made = [f"p{i}" if i % 5 else f"é{i}" for i in range(start, start + n)]
    return sorted(made, key=lambda name: (place_of(name), name.encode()))


def plan_in(folder: Path | str, key: str = "IVF8,Flat", **changes) -> BuildPlan:
    """A small plan; `changes` are of its attributes."""
    values = {
        "folder": str(folder),
        "model_id": "devise-v1",
        "table_version": 3,
        "photos_version": -1,
        "transactions": "t",
        "key": key,
        "rows": 400,
        "dimension": D,
        "id_bytes": 12,
        "shards": 2,
        "part_bytes": 2_000,
        "sample_rows": 100_000,
        "points_per_list": 64,
        "queries": 8,
        "k": 5,
        "seed": 0,
        "devices": "cpu",
        "asked": {"seed": 0},
    }
    return BuildPlan(**{**values, **changes})


def embeddings_of(vectors) -> pa.ListArray:
    """A column of embeddings; None is null."""
    rows = [None if v is None else [None if x is None else float(x) for x in v] for v in vectors]
    return pa.array(rows, pa.list_(pa.float32()))


def batch_of(ids: Sequence[str], vectors, digests: Sequence[str | None] | None = None) -> Batch:
    """Rows of EMBEDDINGS as a shard takes them."""
    texts = [f"{i:016x}" for i in range(len(ids))] if digests is None else digests
    column = embeddings_of(vectors)
    return Batch(pa.array(ids, pa.string()), column, pa.array(texts, pa.string()))


def put_trained(plan: BuildPlan, index: TrainedIndex, queries=(), vectors=None) -> None:
    """Writes what the steps of training leave: the empty index, and the queries."""
    vectors = np.empty((0, D), np.float32) if vectors is None else vectors
    written = write_hashed(plan.path(f"{TRAINED}.npz"), index.save)
    plan.finish(TRAINED, {f"{TRAINED}.npz": written}, {})
    ids = np.array(queries, np.str_)
    write_hashed(
        plan.path(f"{SEEDS}.queries.npz"),
        lambda file: np.savez(file, photo_ids=ids, vectors=vectors),
    )


def build_files(plan: BuildPlan, ids, vectors, cuts: Sequence[int] = ()) -> Product:
    """Writes one shard more than there are cuts, and merges them; the digests are row numbers."""
    bounds = [0, *cuts, len(ids)]
    plan = replace(plan, shards=len(bounds) - 1)
    put_trained_if_new(plan)
    for number, (start, stop) in enumerate(pairwise(bounds)):
        digests = [f"{row:016x}" for row in range(start, stop)]
        batch = batch_of(ids[start:stop], vectors[start:stop], digests)
        write_shard(plan, number, [batch])
    for number in range(write_layout(plan).values["parts"]):
        write_part(plan, number)
    return assemble(plan)


def put_trained_if_new(plan: BuildPlan) -> None:
    if plan.done(TRAINED) is None:
        put_trained(plan, trained(plan.key), ["nobody"], SAMPLE[:1])


@dataclass(frozen=True)
class Built:
    """A bundle, and what is in it.

    Attributes:
        folder: of the bundle.
        manifest: of the bundle.
        ids, vectors: of all rows, removed ones included.
    """

    folder: Path
    manifest: Manifest
    ids: list[str]
    vectors: np.ndarray


def build_bundle(
    folder: Path,
    key: str = "IVF8,Flat",
    sizes: Sequence[int] = (200,),
    removed: Sequence[int] = (),
    words: Mapping[str, Sequence[float]] | None = None,
    vectors: np.ndarray | None = None,
    **changes,
) -> Built:
    """Builds a bundle of a segment per size; `changes` are of its manifest.

    Its `vectors` are those of POOL, if none are given.
    """
    folder.mkdir(parents=True)
    total = sum(sizes)
    vectors, ids = photos(total) if vectors is None else vectors, []
    segments = []
    for number, size in enumerate(sizes):
        name = f"delta-{number:06d}" if number else BASE
        first = len(ids)
        ids += names(size, first)
        plan = plan_in(folder / ".build", key, segment=name)
        build_files(plan, ids[first:], vectors[first : first + size], [size // 3])
        shutil.move(folder / ".build" / "bundle" / name, folder / name)
        shutil.rmtree(folder / ".build")
        segments.append(segment_of(name, first, size))
    if len(removed):
        np.save(folder / REMOVED_FILE, np.array(sorted(removed), np.int64))
    if words:
        (folder / WORDS_FILE).write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
        np.save(folder / WORD_VECTORS_FILE, np.array(list(words.values()), np.float32))
    index_key = IndexKey.parse(key)
    settings = SearchSettings(
        index_key.nlist, 64 if index_key.links else 0, 64 if index_key.refine else 0
    )
    values = {
        "n": total - len(removed),
        "index_key": key,
        "nlist": index_key.nlist,
        "bytes_per_vector": index_key.bytes_per_vector(D),
        "settings": settings,
        "parameters": str(settings),
        "point": replace(POINT, settings=settings),
        "segments": tuple(segments),
        "removed": len(removed),
        "words": len(words or {}),
        "files": digests_of(folder),
    }
    manifest = manifest_of(**{**values, **changes})
    write_manifest(folder, manifest)
    return Built(folder, manifest, ids, vectors)


def digests_of(folder: Path) -> dict[str, FileAbout]:
    """What a manifest says of the files below a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): FileAbout(path.stat().st_size, file_sha256(path))
        for path in paths
    }


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes manifest.json and README.md."""
    program = how_to_query(manifest)
    (folder / MANIFEST_FILE).write_text(manifest.to_json(program), encoding="utf-8")
    (folder / README_FILE).write_text(readme(manifest, program), encoding="utf-8")


def segment_of(name: str, first_row: int, rows: int) -> Segment:
    """A segment of the manifest, of which no row was left out."""
    return Segment(
        name=name,
        first_row=first_row,
        rows=rows,
        listed=rows,
        table_version=3,
        imbalance=1.2,
        residuals=(0.3,),
    )


def manifest_of(**changes) -> Manifest:
    """A manifest of 200 photos; `changes` are of its attributes."""
    values = {
        "model_id": "devise-v1",
        "table": "embeddings",
        "table_version": 3,
        "run_id": "abc",
        "n": 200,
        "dimension": D,
        "metric": METRIC,
        "normalisation": "l2",
        "index_key": "IVF8,Flat",
        "nlist": 8,
        "bytes_per_vector": 72,
        "settings": POINT.settings,
        "parameters": str(POINT.settings),
        "k": 5,
        "queries": 20,
        "threads": 2,
        "recall_target": 0.9,
        "max_latency_ms": 0.0,
        "point": POINT,
        "curve": (POINT,),
        "seed": 0,
        "segments": (segment_of(BASE, 0, 200),),
        "removed": 0,
        "rejected": {"zero_vector": 2},
        "drift": {},
        "due": "",
        "words": 0,
        "labels": 0,
        "costs": {},
        "faiss_version": VERSION,
        "faiss_floor": "1.11.0",
        "files": {},
    }
    return Manifest(**{**values, **changes})


def best_rows(vectors, queries, k: int, allowed=None) -> np.ndarray:
    """The k rows with the greatest inner product with each query, by sorting all of them."""
    rows = np.arange(len(vectors)) if allowed is None else np.array(sorted(set(allowed)), np.int64)
    scores = queries.astype(np.float64) @ vectors[rows].astype(np.float64).T
    return rows[np.argsort(-scores, axis=1, kind="stable")[:, :k]]
