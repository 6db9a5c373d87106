"""An index file that is open for searching."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.index.settings import SearchSettings
from devise_lib.numerics.vectors import FloatArray

VERSION: str = faiss.__version__


class IndexFile:
    """An index file, memory-mapped or loaded. Threads may search it at once.

    A mapped file stays on disk, and processes of a machine share the pages that they read.
    """

    def __init__(self, path: Path, memory_map: bool = True) -> None:
        """Opens a file.

        Raises:
            InputError: there is no such file, or it is no inverted file of inner products.
        """
        self.path, self._memory_map = path, memory_map
        self.reopen()

    def reopen(self) -> None:
        """Opens the file anew, which gives back the pages that a mapped one has read."""
        self._index: Any = None
        flags = faiss.IO_FLAG_MMAP_IFC if self._memory_map else 0
        try:
            self._index = faiss.read_index(str(self.path), flags)
        except RuntimeError as error:
            raise InputError(
                f"{self.path} is not an index that faiss {VERSION} reads: run build_index again "
                f"({error})"
            ) from error
        ivf = faiss.try_extract_index_ivf(_base_of(self._index))
        if ivf is None or ivf.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise InputError(
                f"{self.path} is a {type(self._index).__name__}, want an inverted file of inner "
                "products, as build_index writes it"
            )
        self._ivf = ivf

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
        return int(self._ivf.nlist)

    @property
    def has_graph(self) -> bool:
        """Whether there is an HNSW graph over the centroids."""
        return isinstance(faiss.downcast_index(self._ivf.quantizer), faiss.IndexHNSW)

    @property
    def has_refinement(self) -> bool:
        """Whether the best results are ranked anew."""
        return isinstance(self._index, faiss.IndexRefine)

    def listed(self) -> int:
        """Returns the number of vectors in the lists."""
        return int(self._ivf.invlists.compute_ntotal())

    def search(
        self,
        queries: FloatArray,
        k: int,
        settings: SearchSettings,
        selector: Any | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns the k best rows of each query among the searched lists.

        Args:
            queries: (q, d), unit vectors.
            k: the number of results per query.
            settings: of the search.
            selector: a faiss.IDSelector of the rows that may be found; None for all.

        Returns:
            rows (q, k), and scores (q, k), falling; -1 and -inf where the lists hold fewer vectors.

        Raises:
            ValueError: the dimension differs.
        """
        if queries.ndim != 2 or queries.shape[1] != self.dimension:
            raise ValueError(f"want queries (q, {self.dimension}), got {queries.shape}")
        given = np.ascontiguousarray(queries, np.float32)
        params = _parameters(self._index, settings, selector)
        scores, rows = self._index.search(given, k, params=params)
        return rows, np.where(rows >= 0, scores, -np.inf).astype(np.float32)

    def decode(self, row: int, list_number: int) -> NDArray[np.float32]:
        """Returns the vector (d,) that the code of a row stands for.

        Args:
            row: of the vector.
            list_number: of the inverted list that holds it.

        Raises:
            ValueError: the list does not hold the row.
        """
        if self.has_refinement:
            return self._index.refine_index.reconstruct(row)
        lists = self._ivf.invlists
        size = lists.list_size(list_number)
        ids = faiss.rev_swig_ptr(lists.get_ids(list_number), size)
        places = np.flatnonzero(ids == row)
        if not len(places):
            raise ValueError(f"list {list_number} of {self.path} does not hold row {row}")
        vector = np.empty((1, self._ivf.d), np.float32)
        self._ivf.reconstruct_from_offset(list_number, int(places[0]), faiss.swig_ptr(vector))
        if isinstance(self._index, faiss.IndexPreTransform):
            for place in reversed(range(self._index.chain.size())):
                vector = self._index.chain.at(place).reverse_transform(vector)
        return vector[0]


def in_threads(count: int, work: Callable[[], Any]) -> Any:
    """Returns what `work` returns, while faiss uses `count` threads in this process."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        return work()
    finally:
        faiss.omp_set_num_threads(before)


def _base_of(index: Any) -> Any:
    return faiss.downcast_index(index.base_index) if isinstance(index, faiss.IndexRefine) else index


def _parameters(index: Any, settings: SearchSettings, selector: Any | None) -> Any:
    """Returns the search parameters of an index and of those in it."""
    if isinstance(index, faiss.IndexRefine):
        base = _parameters(_base_of(index), settings, selector)
        return faiss.IndexRefineSearchParameters(
            k_factor=max(settings.k_factor, 1), base_index_params=base
        )
    if isinstance(index, faiss.IndexPreTransform):
        inner = _parameters(faiss.downcast_index(index.index), settings, selector)
        return faiss.SearchParametersPreTransform(index_params=inner)
    values: dict[str, Any] = {"nprobe": min(settings.nprobe, int(index.nlist))}
    if selector is not None:
        values["sel"] = selector
    if settings.ef_search:
        values["quantizer_params"] = faiss.SearchParametersHNSW(efSearch=settings.ef_search)
    return faiss.SearchParametersIVF(**values)
