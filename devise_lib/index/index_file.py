"""An index file that is open for searching."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.index.gpu import MOST, has_gpu_kind, read_to_gpu
from devise_lib.index.manifest import AGAIN
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
        self._on_gpu: Any = None
        self._device: int | None = None  # of the GPU that has a copy
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
        self._ivf = faiss.downcast_index(ivf)

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

    @property
    def fits_gpu(self) -> bool:
        """Whether faiss has this kind of index for GPUs."""
        return has_gpu_kind(self._index)

    def use_gpu(self, device: int | None) -> None:
        """Copies the index to a GPU, where `search` runs from now on, but for selectors and more
        than MOST results or lists. None is the processor again.
        """
        if self._device != device:
            self._on_gpu = None if device is None else read_to_gpu(self.path, device)
            self._device = device

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
        settings = replace(settings, nprobe=min(settings.nprobe, self.nlist))
        index = self._index
        if self._on_gpu and selector is None and max(k, settings.nprobe) <= MOST:
            index, settings = self._on_gpu, replace(settings, ef_search=0)
        params = _parameters(index, settings, selector)
        scores, rows = index.search(given, k, params=params)
        return rows, np.where(rows >= 0, scores, -np.inf).astype(np.float32)

    def sizes(self) -> NDArray[np.int64]:
        """Returns the number of vectors in each list (nlist,)."""
        lists = self._ivf.invlists
        return np.array([lists.list_size(each) for each in range(self.nlist)], np.int64)

    def read_lists(self, first: int, stop: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Returns codes (n, code_size) and rows (n,) of the lists from first to stop - 1."""
        lists, size = self._ivf.invlists, int(self._ivf.code_size)
        packer = self._ivf.get_CodePacker() if _is_packed(self._ivf) else None
        codes, rows = [np.empty((0, size), np.uint8)], [np.empty(0, np.int64)]
        for each in range(first, stop):
            if not (n := lists.list_size(each)):
                continue
            rows.append(faiss.rev_swig_ptr(lists.get_ids(each), n).copy())
            if packer is None:
                found = faiss.rev_swig_ptr(lists.get_codes(each), n * size)
                codes.append(found.reshape(n, size))
            else:
                codes.append(_unpack(packer, lists.get_codes(each), n))
        return np.concatenate(codes), np.concatenate(rows)

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
        place = int(places[0])
        vector = np.empty((1, self._ivf.d), np.float32)
        if _is_packed(self._ivf):  # faiss 1.15 crashes in reconstruct_from_offset.
            codes, _ = self.read_lists(list_number, list_number + 1)
            vector = self._ivf.pq.decode(np.ascontiguousarray(codes[place : place + 1]))
            if self._ivf.by_residual:
                vector += self._ivf.quantizer.reconstruct(list_number)
        else:
            self._ivf.reconstruct_from_offset(list_number, place, faiss.swig_ptr(vector))
        if isinstance(self._index, faiss.IndexPreTransform):
            for place in reversed(range(self._index.chain.size())):
                vector = self._index.chain.at(place).reverse_transform(vector)
        return vector[0]


def map_array(path: Path, memory_map: bool = True) -> NDArray[Any]:
    """Returns the array in a file, memory-mapped or loaded.

    Raises:
        InputError: there is no such file, or no array in it.
    """
    try:
        return np.load(path, mmap_mode="r" if memory_map else None)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is missing or no array ({error}): {AGAIN}") from error


def imbalance_of(sizes: NDArray[np.int64]) -> float:
    """Returns how unequal lists of these sizes (nlist,) are; 1 if all are equal or empty.

    A search takes this many times as long as with equal lists: nlist times the sum of the squared
    shares.
    """
    n = int(sizes.sum())
    return float(len(sizes) * np.square(sizes / n).sum()) if n else 1.0


def in_threads(count: int, work: Callable[[], Any]) -> Any:
    """Returns what `work` returns, while faiss uses `count` threads in this process."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        return work()
    finally:
        faiss.omp_set_num_threads(before)


def _is_packed(ivf: Any) -> bool:
    """Tells whether codes lie in blocks, as for fast scans."""
    return isinstance(faiss.downcast_InvertedLists(ivf.invlists), faiss.BlockInvertedLists)


def _unpack(packer: Any, codes: Any, n: int) -> NDArray[np.uint8]:
    """Returns n codes (n, code_size) one by one that lie in blocks."""
    count = -(-n // packer.nvec)
    blocks = faiss.rev_swig_ptr(codes, count * packer.block_size).reshape(count, -1)
    plain = np.empty((count, packer.nvec, packer.code_size), np.uint8)
    for block, unpacked in zip(blocks, plain, strict=True):
        packer.unpack_all(faiss.swig_ptr(block), faiss.swig_ptr(unpacked))
    return plain.reshape(-1, packer.code_size)[:n]


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
    values: dict[str, Any] = {"nprobe": settings.nprobe}
    if selector is not None:
        values["sel"] = selector
    if settings.ef_search:
        values["quantizer_params"] = faiss.SearchParametersHNSW(efSearch=settings.ef_search)
    return faiss.SearchParametersIVF(**values)
