"""Training of an empty index: transforms, centroids and codes.

k-means over all lists at once takes points x lists steps. `Seeds` cut the points into parts first,
whose centroids are trained apart, by other tasks: points x (parts + lists / parts) steps, and no
task holds all points.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import faiss
import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.index.building.trained import TrainedIndex, transform
from devise_lib.index.factory import IndexKey
from devise_lib.numerics.vectors import FloatArray

TWO_LEVELS = 4_096  # lists from which on the parts of the space are trained by tasks of their own
LOCAL_LEVELS = 1_024  # lists from which on one task trains them in two levels
POINTS_PER_PART = 256  # of the space, from which its centroid is trained
ITERATIONS = 10
BUILD_EF = 200  # how thoroughly the graph over the centroids is built


def set_threads(count: int) -> None:
    """Sets the number of threads that faiss uses in this process."""
    faiss.omp_set_num_threads(count)


def train_index(key: IndexKey, sample: FloatArray, seed: int, gpu: bool = False) -> TrainedIndex:
    """Returns an empty index, trained in one process.

    Args:
        key: of the index.
        sample: (n, d), unit vectors; the result depends on their order.
        seed: of the first centroids.
        gpu: whether k-means runs on the GPUs.

    Raises:
        InputError: there are fewer vectors than lists, or too few for the codes.
    """
    seeds = Seeds.train(key, sample, key.nlist, seed, gpu)
    return finish(key, seeds, seeds.centroids, sample)


@dataclass(frozen=True)
class Seeds:
    """What is trained first: the transforms, and centroids of the parts of the space.

    Attributes:
        encoder: the faiss index whose transforms are trained; only they are used.
        centroids: (parts, d'), d' the length of a transformed vector.
        counts: (parts,), the points of the sample in each part.
    """

    encoder: Any
    centroids: NDArray[np.float32]
    counts: NDArray[np.int64]

    @classmethod
    def train(
        cls, key: IndexKey, sample: FloatArray, parts: int, seed: int, gpu: bool = False
    ) -> "Seeds":
        """Trains the transforms, and the centroids of `parts` parts by k-means.

        Raises:
            InputError: there are fewer vectors than parts.
        """
        encoder = key.make_encoder(sample.shape[1])
        points = np.ascontiguousarray(sample, np.float32)
        if isinstance(encoder, faiss.IndexPreTransform):
            for place in range(encoder.chain.size()):
                step = encoder.chain.at(place)
                if not step.is_trained:
                    _train_or_say(step.train, points, key)
                points = step.apply(points)
        centroids = _cluster(points, parts, seed, gpu)
        own = nearest(points, centroids)
        return cls(encoder, centroids, np.bincount(own, minlength=parts))

    def shares(self, nlist: int) -> NDArray[np.int64]:
        """Returns the number of lists of each part (parts,), by its points; their sum is nlist."""
        return shares_of(self.counts, nlist)

    def part_of(self, vectors: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns the part (n,) of each vector, and the transformed vectors (n, d')."""
        points = transform(self.encoder, np.ascontiguousarray(vectors, np.float32))
        return nearest(points, self.centroids), points

    def save(self, file: BinaryIO) -> None:
        """Writes the seeds to a file that `load` reads."""
        np.savez(
            file,
            encoder=faiss.serialize_index(self.encoder),
            centroids=self.centroids,
            counts=self.counts,
        )

    @classmethod
    def load(cls, path: Path) -> "Seeds":
        """Reads what `save` wrote."""
        with np.load(path) as saved:
            encoder = faiss.deserialize_index(saved["encoder"])
            return cls(encoder, saved["centroids"], saved["counts"])


def train_part(
    points: NDArray[np.float32], nlist: int, seed: int, gpu: bool = False
) -> NDArray[np.float32]:
    """Returns the centroids (nlist, d') of one part of the space.

    Args:
        points: (n, d'), of the part, as `Seeds.part_of` returns them.
        nlist: the lists of the part. If it has fewer points, some lists stay empty.
        seed: of the first centroids.
        gpu: whether k-means runs on the GPUs.
    """
    if not nlist or len(points) <= nlist:  # A part with few points may have no list at all.
        return np.resize(points, (nlist, points.shape[1]))
    return _k_means(points, nlist, seed, gpu)


def finish(
    key: IndexKey, seeds: Seeds, centroids: NDArray[np.float32], sample: FloatArray
) -> TrainedIndex:
    """Returns the empty index with these centroids, its codes trained on the sample.

    Args:
        key: of the index.
        seeds: with the trained transforms.
        centroids: (nlist, d').
        sample: (n, d), unit vectors.

    Raises:
        InputError: there are too few vectors for the codes.
    """
    encoder = seeds.encoder
    ivf = faiss.extract_index_ivf(encoder)
    given = np.ascontiguousarray(sample, np.float32)
    if key.links:
        faiss.downcast_index(ivf.quantizer).hnsw.efConstruction = BUILD_EF
    ivf.quantizer.train(centroids)
    ivf.quantizer.add(np.ascontiguousarray(centroids))
    refiner = key.make_refiner(sample.shape[1])
    _train_or_say(ivf.train, transform(encoder, given), key)
    if refiner:
        _train_or_say(refiner.train, given, key)
    encoder.is_trained = True
    return TrainedIndex(key, encoder, refiner)


def nearest(points: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.int64]:
    """Returns the centroid (n,) with the greatest inner product with each point."""
    flat = faiss.IndexFlatIP(centroids.shape[1])
    flat.add(np.ascontiguousarray(centroids))
    return flat.search(points, 1)[1][:, 0]


def _train_or_say(
    train: Callable[[NDArray[np.float32]], None], vectors: NDArray[np.float32], key: IndexKey
) -> None:
    """Trains codes or a transform; an error says for which key the vectors do not suffice."""
    try:
        train(vectors)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(
            f"{str(key)!r} cannot be trained on {len(vectors)} vectors ({reason}): index more "
            "photos, or give an index_key that needs fewer, such as IVF1,SQ8"
        ) from error


def _cluster(points: NDArray[np.float32], k: int, seed: int, gpu: bool) -> NDArray[np.float32]:
    """Returns k centroids (k, d'), in two levels if they are many."""
    if k < LOCAL_LEVELS or gpu or len(points) < k:
        return _k_means(points, k, seed, gpu)
    parts = math.isqrt(k)
    first = _k_means(points[: parts * POINTS_PER_PART], parts, seed, gpu)
    own = nearest(points, first)
    counts = np.bincount(own, minlength=parts)
    order = np.argsort(own, kind="stable")
    ends, shares = np.cumsum(counts), shares_of(counts, k)
    return np.concatenate(
        [
            train_part(points[order[end - count : end]], int(share), seed)
            for end, count, share in zip(ends, counts, shares, strict=True)
        ]
    )


def shares_of(counts: NDArray[np.int64], nlist: int) -> NDArray[np.int64]:
    """Returns the number of lists of each part of the space, by its points; their sum is nlist."""
    ends = np.cumsum(counts) * nlist // counts.sum()
    return np.diff(ends, prepend=0)


def _k_means(points: NDArray[np.float32], k: int, seed: int, gpu: bool) -> NDArray[np.float32]:
    if len(points) < k:
        raise InputError(
            f"there are {len(points)} vectors to train {k} lists on, want at least one per list: "
            "give an index_key with fewer lists (auto chooses them), or index more photos"
        )
    k_means = faiss.Kmeans(
        points.shape[1],
        k,
        niter=ITERATIONS,
        seed=seed,
        spherical=True,
        min_points_per_centroid=1,  # choose_nlist has its own limit
        max_points_per_centroid=len(points),  # all of them
        gpu=gpu,
    )
    k_means.train(points)
    return k_means.centroids
