"""Shards: each has the encoded vectors of some photos, in the order of their inverted lists."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from devise_lib.index.building.arrays import save_array
from devise_lib.index.building.intake import Rejected, take_in
from devise_lib.index.building.plan import BuildPlan, shard_name
from devise_lib.index.building.products import Product
from devise_lib.index.building.trained import Codes, TrainedIndex
from devise_lib.index.gpu import takes_gpus
from devise_lib.index.manifest import TRAINED_FILE
from devise_lib.numerics.retrieval import top_k
from devise_lib.reasons import Reason
from devise_lib.storage.copies import fetched, write_hashed

CODES, ROWS, SIZES = ".codes.npy", ".rows.npy", ".sizes.npy"  # in the order of the lists
IDS, LISTS, DIGESTS, REFINE = ".ids.npy", ".lists.npy", ".digests.npy", ".refine.npy"  # of rows
EXACT_ROWS, EXACT_SCORES, OWN = ".exact_rows.npy", ".exact_scores.npy", ".own.npy"  # of queries
REJECTED = ".rejected.parquet"
REJECTED_SCHEMA = pa.schema([(name, pa.string()) for name in ("photo_id", "reason", "message")])
DIGEST, LIST = np.dtype("<i8"), np.dtype("<i4")


@dataclass(frozen=True)
class Batch:
    """Some rows of EMBEDDINGS, (b,) each: the order is that of `places.place_of`, and of ids.

    Attributes:
        photo_ids: of the photos.
        embeddings: lists of numbers.
        digests: the SHA-256 of the photos' files, hexadecimal or null.
    """

    photo_ids: pa.StringArray
    embeddings: pa.ListArray
    digests: pa.StringArray


@dataclass(frozen=True)
class Queries:
    """The vectors with which recall is measured.

    Attributes:
        photo_ids: (q,), of the photos, which are in the index themselves.
        vectors: (q, d), of unit L2 norm.
    """

    photo_ids: NDArray[np.str_]
    vectors: NDArray[np.float32]

    @classmethod
    def of(cls, plan: BuildPlan) -> "Queries":
        """Reads the queries of a build."""
        with fetched(plan.path("seeds.queries.npz")) as path, np.load(path) as saved:
            return cls(saved["photo_ids"], saved["vectors"])


def write_shard(plan: BuildPlan, number: int, batches: Iterable[Batch]) -> Product:
    """Encodes some photos, searches them exactly for the queries, and writes the shard.

    Args:
        plan: of the index, whose empty index is trained.
        number: of the shard; the rows of shard 0 come first in the whole index.
        batches: all photos of the shard, in order.
    """
    with fetched(plan.path(TRAINED_FILE)) as path:
        trained = TrainedIndex.load(path)
    if takes_gpus(plan.devices):
        trained.use_gpu()
    kept, exact = _Kept(plan, trained), {}
    if plan.base:  # An update measures no recall.
        for _ in kept.take(batches):
            pass
    else:
        queries = Queries.of(plan)
        rows, scores = top_k(queries.vectors, kept.take(batches), plan.truth_depth)
        own = pc.index_in(pa.array(queries.photo_ids.tolist(), pa.string()), kept.photo_ids())
        own = own.fill_null(-1).to_numpy().astype(np.int64)
        exact = {EXACT_ROWS: rows, EXACT_SCORES: scores, OWN: own}
    name, arrays = shard_name(number), {**kept.arrays(), **exact}
    files = {
        f"{name}{end}": save_array(plan.path(f"{name}{end}"), array)
        for end, array in arrays.items()
    }
    if kept.rejected:
        kept_out = f"{name}{REJECTED}"
        table = pa.Table.from_pylist([asdict(each) for each in kept.rejected], REJECTED_SCHEMA)
        files[kept_out] = write_hashed(
            plan.path(kept_out), lambda file: pq.write_table(table, file)
        )
    reasons = Counter(each.reason.value for each in kept.rejected)
    values = {"rows": kept.n, "rejected": dict(reasons), "residual": kept.residual}
    return plan.finish(name, files, values)


class _Kept:
    """The photos of a shard that were taken in so far."""

    def __init__(self, plan: BuildPlan, trained: TrainedIndex) -> None:
        self._plan, self._trained = plan, trained
        self._parts: list[Codes] = []
        self._ids: list[pa.StringArray] = []
        self._digests: list[NDArray[np.int64]] = []
        self._last: str | None = None
        self._cosines = 0.0
        self.rejected: list[Rejected] = []
        self.n = 0

    def take(
        self, batches: Iterable[Batch]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Takes batches in; yields rows (b,) and vectors (b, d) of those that can be indexed."""
        for batch in batches:
            taken = take_in(batch.photo_ids, batch.embeddings, self._plan.dimension)
            self.rejected += taken.rejected
            chosen = pa.array(taken.kept)
            ids, digests = batch.photo_ids.take(chosen), batch.digests.take(chosen)
            vectors = taken.vectors
            fresh = self._first_of_id(ids)
            if not fresh.all():
                ids, digests = (each.filter(pa.array(fresh)) for each in (ids, digests))
                vectors = vectors[fresh]
            self._ids.append(ids)
            self._digests.append(_as_numbers(digests))
            encoded = self._trained.encode(vectors)
            self._parts.append(encoded)
            self._cosines += float(encoded.cosines.sum())
            rows = np.arange(self.n, self.n + len(ids))
            self.n += len(ids)
            yield rows, vectors

    @property
    def residual(self) -> float:
        """The sum of 1 - cosine of each vector and its centroid."""
        return self.n - self._cosines

    def photo_ids(self) -> pa.ChunkedArray:
        return pa.chunked_array(self._ids, pa.string())

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Returns the arrays of the shard's files; the parts are given up meanwhile."""
        trained = self._trained
        lists = _joined([part.lists for part in self._parts], np.empty(0, np.int64))
        order = np.argsort(lists, kind="stable")
        codes = np.empty((self.n, trained.code_size), np.uint8)
        refine = np.empty((self.n, trained.refine_size), np.uint8)
        places = np.empty(self.n, np.int64)
        places[order] = np.arange(self.n)
        start = 0
        while self._parts:  # each is freed as soon as it is copied
            part = self._parts.pop(0)
            stop = start + len(part.lists)
            codes[places[start:stop]] = part.codes
            refine[start:stop] = part.refine
            start = stop
        made: dict[str, NDArray[np.generic]] = {
            CODES: codes,
            ROWS: order.astype("<u4"),
            SIZES: np.bincount(lists, minlength=trained.key.nlist).astype("<i8"),
            IDS: self._ids_in_bytes(),
            LISTS: lists.astype(LIST),
            DIGESTS: _joined(self._digests, np.empty(0, DIGEST)),
        }
        return {**made, REFINE: refine} if trained.refine_size else made

    def _ids_in_bytes(self) -> NDArray[np.bytes_]:
        encoded = [name.encode() for chunk in self._ids for name in chunk.to_pylist()]
        return np.array(encoded, dtype=f"S{self._plan.id_bytes}")

    def _first_of_id(self, ids: pa.StringArray) -> NDArray[np.bool_]:
        """Tells which rows have another id than the row before; the others are rejected."""
        if not len(ids):
            return np.ones(0, np.bool_)
        before = pa.concat_arrays([pa.array([self._last], pa.string()), ids.slice(0, len(ids) - 1)])
        first = pc.fill_null(pc.not_equal(ids, before), True).to_numpy(zero_copy_only=False)
        self._last = ids[len(ids) - 1].as_py()
        for place in np.flatnonzero(~first):
            name = ids[int(place)].as_py()
            message = "the photo has another embedding of this model, which is indexed"
            self.rejected.append(Rejected(name, Reason.DUPLICATE_ID, message))
        return first


def _as_numbers(digests: pa.StringArray) -> NDArray[np.int64]:
    """Returns the first 60 bits of hexadecimal digests as numbers; 0 for null."""
    return np.array([int(text[:15], 16) if text else 0 for text in digests.to_pylist()], DIGEST)


def _joined(parts: Sequence[NDArray[Any]], none: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else none
