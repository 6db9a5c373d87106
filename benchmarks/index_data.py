"""Unit vectors to build indexes of: made clusters, and features of real photos.

python benchmarks/index_data.py KIND N FOLDER

KIND is `clustered`, `even` or `real`. FOLDER gets KIND.npy with N + QUERIES vectors in random
order, of 128 float32 numbers each. The first QUERIES of them are queries, and are in no index. A
smaller data set is the beginning of a larger one. FOLDER/KIND-N gets vectors.npy, queries.npy,
truth.npy (the rows of the 10 nearest vectors of each query), and a folder `vectors` that holds
vectors.npy alone.
"""

import io
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.corpus import DATA  # noqa: E402 - found by the line above
from devise_lib.numerics.retrieval import top_k  # noqa: E402
from devise_lib.numerics.vectors import l2_normalize  # noqa: E402

D = 128
QUERIES = 1_000
CENTRES, RANK = 4_000, 24  # clusters, and the dimensions in which each extends
SPREAD, NOISE = 0.7, 0.1  # norms of a vector's way from its centre: within these, and beside them
MIXED = 16  # nearest photos towards which a repeated photo is moved
MOVED, GRAIN = 0.15, 0.05  # of each such way, and the norm of the noise beside it
PHOTO_SIDE = 128  # pixels of the network's input
CHUNK = 50_000
NEAREST = 10  # exact results of a query
KINDS = ("clustered", "even", "real")
Floats = NDArray[np.float32]


def prepare(kind: str, n: int, folder: Path) -> Path:
    """Writes the vectors of a kind, its queries and their exact results; returns their folder."""
    made = folder / f"{kind}-{n}"
    if (made / "truth.npy").exists():
        return made
    (made / "vectors").mkdir(parents=True, exist_ok=True)
    whole = np.load(make(kind, n, folder), mmap_mode="r")
    queries = np.array(whole[:QUERIES])
    vectors = whole[QUERIES : QUERIES + n]
    np.save(made / "vectors" / "vectors.npy", vectors)
    (made / "vectors.npy").unlink(missing_ok=True)
    (made / "vectors.npy").symlink_to(Path("vectors") / "vectors.npy")
    np.save(made / "queries.npy", queries)
    blocks = (
        (np.arange(start, min(start + CHUNK, n)), np.asarray(vectors[start : start + CHUNK]))
        for start in range(0, n, CHUNK)
    )
    rows, scores = top_k(queries, blocks, NEAREST)
    np.save(made / "truth_scores.npy", scores)
    np.save(made / "truth.npy", rows)
    return made


def make(kind: str, n: int, folder: Path) -> Path:
    """Writes the vectors of a kind; returns the file. One that is there already stays."""
    path = folder / f"{kind}.npy"
    if path.exists() and len(np.load(path, mmap_mode="r")) >= n + QUERIES:
        return path
    chunks = dict(zip(KINDS, (clustered, even, real), strict=True))[kind](n + QUERIES, folder)
    draft = path.with_suffix(".draft")
    vectors = np.lib.format.open_memmap(draft, "w+", np.float32, (n + QUERIES, D))
    start = 0
    for chunk in chunks:
        vectors[start : start + len(chunk)] = l2_normalize(chunk)
        start += len(chunk)
    vectors.flush()
    draft.rename(path)
    return path


def clustered(n: int, _: Path) -> Iterator[Floats]:
    """Yields vectors around centres whose sizes fall by Zipf's law."""
    return around_centres(n, 1 / (np.arange(CENTRES) + 20.0))


def even(n: int, _: Path) -> Iterator[Floats]:
    """Yields vectors around centres of equal sizes."""
    return around_centres(n, np.ones(CENTRES))


def around_centres(n: int, sizes: NDArray[np.float64]) -> Iterator[Floats]:
    """Yields vectors around centres of sizes (CENTRES,).

    A vector differs from its centre within a space of the cluster's own, of RANK dimensions with
    falling spreads, and by a little noise in all dimensions.
    """
    rng = np.random.default_rng(0)
    centres = l2_normalize(rng.standard_normal((CENTRES, D)).astype(np.float32))
    bases = rng.standard_normal((CENTRES, RANK, D)).astype(np.float32) / np.sqrt(D)
    spreads = (1 / np.sqrt(np.arange(1, RANK + 1) + 8)).astype(np.float32)
    spreads *= SPREAD / np.linalg.norm(spreads)
    shares = sizes / sizes.sum()
    for start in range(0, n, CHUNK):
        count = min(CHUNK, n - start)
        rng = np.random.default_rng((1, start))
        of = rng.choice(CENTRES, count, p=shares)
        within = rng.standard_normal((count, RANK)).astype(np.float32) * spreads
        noise = rng.standard_normal((count, D)).astype(np.float32) * (NOISE / np.sqrt(D))
        chunk = centres[of] + noise
        for cluster in np.unique(of):
            here = of == cluster
            chunk[here] += within[here] @ bases[cluster]
        yield chunk


def real(n: int, folder: Path) -> Iterator[Floats]:
    """Yields features of real photos, each repeated with noise.

    A repeated photo is moved towards each of its MIXED nearest photos by a random share, and by a
    little noise in all dimensions. So its neighbours differ from it as photos differ.
    """
    photos = photo_vectors(folder)
    near = np.concatenate(
        [
            np.argsort(-(part @ photos.T), axis=1)[:, 1 : MIXED + 1]
            for part in np.array_split(photos, len(photos) // 500)
        ]
    )
    for start in range(0, n, CHUNK):
        count = min(CHUNK, n - start)
        rng = np.random.default_rng((2, start))
        of = rng.integers(len(photos), size=count)
        shares = rng.standard_normal((count, MIXED)).astype(np.float32) * MOVED
        chunk = photos[of] * (1 - shares.sum(1, keepdims=True))
        for place in range(MIXED):
            chunk += shares[:, place, None] * photos[near[of, place]]
        yield chunk + rng.standard_normal((count, D)).astype(np.float32) * (GRAIN / np.sqrt(D))


def photo_vectors(folder: Path) -> Floats:
    """Returns MobileNet's features of all photos below DEVISE_DATA, their D main components.

    They are computed once, and kept in the folder.
    """
    path = folder / "photos.npy"
    if not path.exists():
        np.save(path, _features())
    features = np.load(path)
    centred = features - features.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    return l2_normalize((centred @ axes[:D].T).astype(np.float32))


def _features() -> Floats:
    from devise_lib.vision.images.decode import Refusal, decode
    from devise_lib.vision.networks.backbones import Backbone, features_file
    from devise_lib.vision.networks.build import read_network
    from devise_lib.vision.networks.inference import load_network

    name = "mobilenet_0.75_224"
    weights = str(DATA / "weights" / f"{name}.weights.h5")
    model = read_network(name, weights, 1_000, PHOTO_SIDE)
    classes = [str(number) for number in range(1_000)]
    network = load_network(features_file(Backbone(name, model, classes, PHOTO_SIDE)), 2)
    made, waiting = [], []
    for content in _photos():
        pixels = decode(content, PHOTO_SIDE)
        if not isinstance(pixels, Refusal):
            waiting.append(pixels)
        if len(waiting) == 64:
            made.append(network(np.stack(waiting))[0])
            waiting = []
    if waiting:
        made.append(network(np.stack(waiting))[0])
    return np.concatenate(made).astype(np.float32)


def _photos() -> Iterator[bytes]:
    images = DATA / "images"
    for path in sorted(images.glob("*/**/*")):
        if path.suffix.lower() in (".jpg", ".jpeg"):
            yield path.read_bytes()
    with tarfile.open(images / "tiny_imagenet.tar") as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            if file and member.name.lower().endswith(".jpeg"):
                yield io.BufferedReader(file).read()


if __name__ == "__main__":
    print(prepare(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]).resolve()))
