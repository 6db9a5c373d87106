"""The steps of a build that train its empty index. Each is the work of one task."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.index.building.arrays import save_array
from devise_lib.index.building.assembly import copy_file
from devise_lib.index.building.intake import take_in
from devise_lib.index.building.plan import BuildPlan, centroids_name
from devise_lib.index.building.products import Product
from devise_lib.index.building.training import Seeds, finish, train_part
from devise_lib.index.gpu import takes_gpus
from devise_lib.index.manifest import BASE, TRAINED_FILE
from devise_lib.storage.copies import fetched, write_hashed

SEEDS, TRAINED = "seeds", "trained"


@dataclass(frozen=True)
class SampleBatch:
    """Some rows (b,) of the sample, in the order of their hashes."""

    photo_ids: pa.StringArray
    embeddings: pa.ListArray


def train_seeds(plan: BuildPlan, batches: Iterable[SampleBatch]) -> Product:
    """Keeps the queries apart, and trains the transforms and the first centroids on the rest.

    Args:
        plan: of the index.
        batches: the sample. The first `plan.queries` vectors are the queries. They are trained on
            only if there is no other.

    Raises:
        InputError: no vector can be indexed, or there are fewer than lists.
    """
    queries, sample = _split(plan, batches)
    if not len(sample):
        raise InputError(
            f"no vector of the sample can be indexed: EMBEDDINGS of {plan.model_id} are zeros, not "
            f"finite or not of {plan.dimension} numbers; look at the model"
        )
    parts = plan.space_parts if plan.space_parts > 1 else plan.index_key.nlist
    seeds = Seeds.train(plan.index_key, sample, parts, plan.seed, takes_gpus(plan.devices))
    files = {
        f"{SEEDS}.npz": write_hashed(plan.path(f"{SEEDS}.npz"), seeds.save),
        f"{SEEDS}.sample.npy": save_array(plan.path(f"{SEEDS}.sample.npy"), sample),
        f"{SEEDS}.queries.npz": write_hashed(
            plan.path(f"{SEEDS}.queries.npz"), lambda file: np.savez(file, **queries)
        ),
    }
    values = {"queries": len(queries["vectors"]), "sample": len(sample), "parts": parts}
    return plan.finish(SEEDS, files, values)


def keep_queries(plan: BuildPlan, batches: Iterable[SampleBatch]) -> Product:
    """Keeps queries for a segment of an index that is trained already.

    Args:
        plan: of the segment.
        batches: of its photos; the first `plan.queries` vectors are the queries.
    """
    queries, _ = _split(plan, batches)
    path = f"{SEEDS}.queries.npz"
    written = write_hashed(plan.path(path), lambda file: np.savez(file, **queries))
    return plan.finish(SEEDS, {path: written}, {"queries": len(queries["vectors"])})


def take_trained(plan: BuildPlan) -> Product:
    """Takes the empty index of the bundle `plan.base`."""
    path = f"{BASE}/{TRAINED_FILE}"
    written = write_hashed(plan.path(TRAINED_FILE), partial(copy_file, f"{plan.base}/{path}"))
    return plan.finish(TRAINED, {TRAINED_FILE: written}, {})


def read_seeds(plan: BuildPlan) -> Seeds:
    """Reads what `train_seeds` wrote."""
    with fetched(plan.path(f"{SEEDS}.npz")) as path:
        return Seeds.load(path)


def train_centroids(plan: BuildPlan, part: int, points: NDArray[np.float32]) -> Product:
    """Trains the centroids of the lists in one part of the space.

    Args:
        plan: of the index.
        part: of the space.
        points: (n, d'), of the sample in that part, transformed.
    """
    nlist = int(read_seeds(plan).shares(plan.index_key.nlist)[part])
    centroids = train_part(points, nlist, plan.seed, takes_gpus(plan.devices))
    name = centroids_name(part)
    files = {f"{name}.npy": save_array(plan.path(f"{name}.npy"), centroids)}
    return plan.finish(name, files, {"points": len(points)})


def train_empty(plan: BuildPlan) -> Product:
    """Puts all centroids together, trains the codes, and writes the empty index."""
    seeds = read_seeds(plan)
    centroids = seeds.centroids
    if plan.space_parts > 1:
        parts = range(len(centroids))
        centroids = np.concatenate([_centroids(plan, seeds, part) for part in parts])
    with fetched(plan.path(f"{SEEDS}.sample.npy")) as path:
        sample = np.load(path)
    trained = finish(plan.index_key, seeds, centroids, sample)
    written = write_hashed(plan.path(TRAINED_FILE), trained.save)
    return plan.finish(TRAINED, {TRAINED_FILE: written}, {})


def _centroids(plan: BuildPlan, seeds: Seeds, part: int) -> NDArray[np.float32]:
    """Returns the centroids of a part of the space; its own, if no point of the sample is there."""
    if plan.done(centroids_name(part)) is None:
        nlist = int(seeds.shares(plan.index_key.nlist)[part])
        return np.repeat(seeds.centroids[part : part + 1], nlist, axis=0)
    with fetched(plan.path(f"{centroids_name(part)}.npy")) as path:
        return np.load(path)


def _split(
    plan: BuildPlan, batches: Iterable[SampleBatch]
) -> tuple[dict[str, NDArray[np.generic]], NDArray[np.float32]]:
    """Returns the queries, and the sample; a single photo is both."""
    room = plan.queries + (0 if plan.base else plan.seed_points)
    vectors = np.empty((room, plan.dimension), np.float32)
    names: list[str] = []
    n = 0
    for batch in batches:
        taken = take_in(batch.photo_ids, batch.embeddings, plan.dimension)
        chosen = taken.vectors[: len(vectors) - n]
        if n < plan.queries:
            names += batch.photo_ids.take(pa.array(taken.kept)).to_pylist()
        vectors[n : n + len(chosen)] = chosen
        n += len(chosen)
    queries = min(plan.queries, n)
    sample = vectors[queries:n] if n > queries else vectors[:n]
    named = np.array(names[:queries], dtype=np.str_)
    return {"photo_ids": named, "vectors": vectors[:queries]}, sample
