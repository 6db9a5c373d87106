"""An inverted-file index of unit vectors. No other module imports faiss."""

from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.numerics.vectors import FloatArray

VERSION: str = faiss.__version__
METRIC = "inner_product"  # the cosine, for unit vectors


def set_threads(count: int) -> None:
    """Sets the number of threads that faiss uses in this process."""
    faiss.omp_set_num_threads(count)


class IvfIndex:
    """Uncompressed vectors in inverted lists, one list around each centroid.

    Rows are int64 ids that the caller chooses. A search covers the `nprobe` lists whose centroids
    are nearest to the query. A search of all lists is exact.
    """

    def __init__(self, index: Any) -> None:
        self._index = index

    @classmethod
    def train(cls, sample: FloatArray, nlist: int, seed: int) -> "IvfIndex":
        """Returns an empty index whose centroids are the k-means of the sample.

        Args:
            sample: (n, d), unit vectors, n >= nlist; the result depends on their order.
            nlist: the number of lists.
            seed: of the initial centroids.

        Raises:
            InputError: there are fewer vectors than lists.
        """
        if len(sample) < nlist:
            raise InputError(
                f"nlist is {nlist}, but there are only {len(sample)} vectors to train the "
                "centroids on: give a smaller nlist (0: chosen from their number), or a larger "
                "train_size where there are more photos"
            )
        dimension = sample.shape[1]
        index = faiss.IndexIVFFlat(
            faiss.IndexFlatIP(dimension), dimension, nlist, faiss.METRIC_INNER_PRODUCT
        )
        index.cp.seed = seed
        index.cp.min_points_per_centroid = 1  # choose_nlist has its own limit
        index.train(_float32(sample))
        return cls(index)

    @classmethod
    def load(cls, path: Path, memory_map: bool = False) -> "IvfIndex":
        """Loads an index from a file.

        Args:
            path: where `save` wrote it.
            memory_map: leave the vectors on disk and read only the lists that a search probes.
                Processes of one machine then share the pages. Such an index is read-only.

        Raises:
            InputError: there is no such file, or it is no inverted-file index of inner products.
        """
        flags = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY if memory_map else 0
        try:
            index = faiss.read_index(str(path), flags)
        except RuntimeError as error:
            raise InputError(
                f"{path} is not an index that faiss reads: run build_index again ({error})"
            ) from error
        if not isinstance(index, faiss.IndexIVFFlat) or (
            index.metric_type != faiss.METRIC_INNER_PRODUCT
        ):
            raise InputError(
                f"{path} is a {type(index).__name__}, want an IndexIVFFlat of inner products, "
                "as build_index writes it"
            )
        return cls(index)

    @property
    def n(self) -> int:
        """The number of vectors in the index."""
        return int(self._index.ntotal)

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        return int(self._index.d)

    @property
    def nlist(self) -> int:
        """The number of inverted lists."""
        return int(self._index.nlist)

    @property
    def key(self) -> str:
        """The name of such an index in faiss's index_factory."""
        return f"IVF{self.nlist},Flat"

    def set_nprobe(self, nprobe: int) -> None:
        """Sets the default number of lists that a search probes, which is saved in the file."""
        self._index.nprobe = nprobe

    def add(self, vectors: FloatArray, rows: NDArray[np.int64]) -> None:
        """Adds vectors (n, d) with their row numbers (n,).

        Raises:
            ValueError: the dimension differs, or the numbers of vectors and row numbers do.
        """
        self._check_dimension(vectors)
        if rows.shape != (len(vectors),):
            raise ValueError(f"want {len(vectors)} row numbers, got {rows.shape}")
        if len(vectors):
            self._index.add_with_ids(_float32(vectors), np.ascontiguousarray(rows, np.int64))

    def search(
        self, queries: FloatArray, k: int, nprobe: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns the k best rows of each query among the probed lists, as `retrieval.top_k` does.

        Args:
            queries: (q, d), unit vectors.
            k: the number of results per query.
            nprobe: the number of lists to probe, at most `nlist`.

        Returns:
            rows (q, k), and scores (q, k), falling; -1 and -inf where the lists hold fewer vectors.

        Raises:
            ValueError: the dimension differs.
        """
        self._check_dimension(queries)
        params = faiss.SearchParametersIVF()
        params.nprobe = nprobe
        scores, rows = self._index.search(_float32(queries), k, params=params)
        return rows, np.where(rows >= 0, scores, -np.inf).astype(np.float32)

    def merge(self, shard: "IvfIndex", offset: int) -> None:
        """Moves the vectors of `shard` to this index, with `offset` added to its rows.

        The shard is empty afterwards.

        Raises:
            ValueError: the shard has other centroids, so its lists do not correspond.
        """
        if not np.array_equal(self._centroids(), shard._centroids()):
            raise ValueError(
                f"the shard has other centroids: {shard.nlist} lists of {shard.dimension} "
                f"dimensions, want the same {self.nlist} of {self.dimension} that were trained "
                "with this index"
            )
        self._index.merge_from(shard._index, offset)

    def save(self, path: Path) -> None:
        """Writes the index to a file."""
        faiss.write_index(self._index, str(path))

    def _centroids(self) -> NDArray[np.float32]:
        return self._index.quantizer.reconstruct_n(0, self.nlist)  # (nlist, d)

    def _check_dimension(self, vectors: FloatArray) -> None:
        if vectors.ndim != 2 or vectors.shape[1] != self.dimension:
            raise ValueError(f"want vectors (n, {self.dimension}), got {vectors.shape}")


def _float32(vectors: FloatArray) -> NDArray[np.float32]:
    return np.ascontiguousarray(vectors, dtype=np.float32)
