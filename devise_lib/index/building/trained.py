"""A trained, empty index: what encodes vectors in every shard, and how the index file begins."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import faiss
import numpy as np
from numpy.typing import NDArray

from devise_lib.index.factory import IndexKey
from devise_lib.numerics.vectors import FloatArray

NO_LISTS = b"il00"  # how faiss writes an index whose lists are elsewhere
BLOCK = 32  # vectors that a fast scan compares at once
ASSIGN_EF = 40  # how thoroughly a graph over the centroids is searched for a vector's list
FLAT_LISTS = 32_768  # up to here, comparing all centroids with many vectors is faster than a graph


@dataclass(frozen=True)
class Codes:
    """Encoded vectors.

    Attributes:
        lists: (n,), the inverted list of each vector.
        cosines: (n,), of each transformed vector and the centroid of its list.
        codes: (n, code_size), as they lie in the list.
        refine: (n, refine_size), for ranking anew; refine_size is 0 without refinement.
    """

    lists: NDArray[np.int64]
    cosines: NDArray[np.float32]
    codes: NDArray[np.uint8]
    refine: NDArray[np.uint8]


@dataclass(frozen=True)
class Frame:
    """The bytes of an index file around its lists and the codes that refine.

    A file is `head`, the section of the lists, and, with refinement, `middle`, the codes of all
    vectors in the order of their rows, and `tail`.
    """

    head: bytes
    middle: bytes
    tail: bytes


class TrainedIndex:
    """An empty index whose centroids and codes are trained; it keeps nothing of the vectors."""

    def __init__(self, key: IndexKey, encoder: Any, refiner: Any | None) -> None:
        self.key = key
        self._encoder, self._refiner = encoder, refiner
        self._ivf = faiss.downcast_index(faiss.extract_index_ivf(encoder))
        self._coarse = self._ivf.quantizer
        if key.links and key.nlist > FLAT_LISTS:
            faiss.downcast_index(self._coarse).hnsw.efSearch = ASSIGN_EF
        elif key.links:
            self._coarse = self._flat()

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        return int(self._encoder.d)

    @property
    def code_size(self) -> int:
        """The length of a vector's code in its list, in bytes."""
        return int(self._ivf.code_size)

    @property
    def refine_size(self) -> int:
        """The length of a vector's code for ranking anew, in bytes; 0 without refinement."""
        return int(self._refiner.code_size) if self._refiner else 0

    def save(self, file: BinaryIO) -> None:
        """Writes the index to a file that `load` reads."""
        parts = [faiss.serialize_index(self._encoder)]
        if self._refiner:
            parts.append(faiss.serialize_index(self._refiner))
        named = {f"part{place}": part for place, part in enumerate(parts)}
        np.savez(file, key=np.array(str(self.key)), **named)

    @classmethod
    def load(cls, path: Path) -> "TrainedIndex":
        """Reads what `save` wrote."""
        with np.load(path) as saved:
            key = IndexKey.parse(str(saved["key"]))
            encoder = faiss.deserialize_index(saved["part0"])
            refiner = faiss.deserialize_index(saved["part1"]) if key.refine else None
        return cls(key, encoder, refiner)

    def use_gpu(self) -> None:
        """Finds the lists of vectors on the GPUs from now on, by comparing all centroids."""
        self._coarse = faiss.index_cpu_to_all_gpus(self._flat())

    def _flat(self) -> Any:
        """Returns an index that compares all centroids."""
        centroids = self._ivf.quantizer.reconstruct_n(0, self._ivf.nlist)
        flat = faiss.IndexFlatIP(centroids.shape[1])
        flat.add(centroids)
        return flat

    def encode(self, vectors: FloatArray) -> Codes:
        """Encodes unit vectors (n, d), as adding them to the index would.

        Raises:
            ValueError: the dimension differs.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self.dimension:
            raise ValueError(f"want vectors (n, {self.dimension}), got {vectors.shape}")
        given = np.ascontiguousarray(vectors, np.float32)
        n = len(given)
        rotated = transform(self._encoder, given)
        codes = np.empty((n, self.code_size), np.uint8)
        refine = np.empty((n, self.refine_size), np.uint8)
        if not n:
            return Codes(np.empty(0, np.int64), np.empty(0, np.float32), codes, refine)
        cosines, lists = (found[:, 0] for found in self._coarse.search(rotated, 1))
        lists = np.ascontiguousarray(lists)
        self._ivf.encode_vectors(
            n, faiss.swig_ptr(rotated), faiss.swig_ptr(lists), faiss.swig_ptr(codes)
        )
        if self._refiner:
            refine = self._refiner.sa_encode(given)
        return Codes(lists, cosines, codes, refine)

    def pack(self, sizes: NDArray[np.int64], codes: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """Returns the codes of some lists as the index file has them, an array per list.

        Args:
            sizes: (m,), the numbers of vectors of the lists.
            codes: (sum of sizes, code_size), list by list.
        """
        ends = np.cumsum(sizes)
        plain = [codes[end - size : end] for size, end in zip(sizes, ends, strict=True)]
        if not self.key.is_fast_scan:
            return plain
        if len(sizes) > self.key.nlist:
            raise ValueError(f"want at most {self.key.nlist} lists, got {len(sizes)}")
        holder = _copy(self._ivf)
        for place, each in enumerate(plain):
            ids = np.zeros(len(each), np.int64)  # are not read here
            holder.invlists.add_entries(
                place, len(each), faiss.swig_ptr(ids), faiss.swig_ptr(np.ascontiguousarray(each))
            )
        holder.ntotal = len(codes)
        packed = faiss.IndexIVFPQFastScan(holder, BLOCK)
        blocks = faiss.downcast_InvertedLists(packed.invlists)
        return [
            faiss.rev_swig_ptr(blocks.get_codes(place), -(-int(n) // BLOCK) * blocks.block_size)
            .copy()
            .reshape(-1)
            if n
            else np.empty(0, np.uint8)
            for place, n in enumerate(sizes)
        ]

    def frame(self, n: int) -> Frame:
        """Returns the bytes of the file of an index of n vectors around its lists."""
        ivf = _copy(self._ivf)
        if self.key.is_fast_scan:
            ivf = faiss.IndexIVFPQFastScan(ivf, BLOCK)
        ivf.replace_invlists(None, False)
        ivf.ntotal = n
        base = ivf
        if isinstance(self._encoder, faiss.IndexPreTransform):
            base = faiss.IndexPreTransform(ivf)
            for place in reversed(range(self._encoder.chain.size())):
                base.prepend_transform(self._encoder.chain.at(place))
        base.ntotal = n
        head = faiss.serialize_index(base).tobytes()
        if not head.endswith(NO_LISTS):
            raise RuntimeError(f"faiss {faiss.__version__} does not end {self.key} with its lists")
        if not self._refiner:
            return Frame(head.removesuffix(NO_LISTS), b"", b"")
        self._refiner.ntotal = n
        refined = faiss.IndexRefine(base, self._refiner)
        refined.ntotal = n
        whole = faiss.serialize_index(refined).tobytes()
        self._refiner.ntotal = 0
        place = whole.index(head) + len(head)
        # The codes end the file, but for their count (none here) and the factor of IndexRefine.
        count, factor = whole[-12:-4], whole[-4:]
        if count != bytes(8):
            raise RuntimeError(f"faiss {faiss.__version__} does not end {self.key} with its codes")
        unit = 4 if isinstance(self._refiner, faiss.IndexFlat) else 1
        counted = struct.pack("<Q", n * self.refine_size // unit)
        return Frame(whole[: place - len(NO_LISTS)], whole[place:-12] + counted, factor)

    def lists_head(self, sizes: NDArray[np.int64]) -> bytes:
        """Returns how the section of lists of these sizes (nlist,) begins in the index file."""
        if self.key.is_fast_scan:
            packed = faiss.IndexIVFPQFastScan(self._ivf, BLOCK)
            blocks = faiss.downcast_InvertedLists(packed.invlists)
            none = 2**64 - 1  # The size of a single code is not used.
            return b"ilbl" + struct.pack(
                "<4Q", len(sizes), none, blocks.n_per_block, blocks.block_size
            )
        head = b"ilar" + struct.pack("<2Q", len(sizes), self.code_size)
        return head + b"full" + struct.pack("<Q", len(sizes)) + sizes.astype("<u8").tobytes()

    def list_bytes(self, codes: NDArray[np.uint8], rows: NDArray[np.int64]) -> list[bytes]:
        """Returns one list as the index file has it.

        Args:
            codes: as `pack` returns them.
            rows: (n,), of the vectors.
        """
        ids = rows.astype("<i8").tobytes()
        if self.key.is_fast_scan:
            counts = (struct.pack("<Q", count) for count in (len(rows), codes.size))
            return [next(counts), ids, next(counts), codes.tobytes()]
        return [codes.tobytes(), ids]


def transform(index: Any, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Applies the transforms of an IndexPreTransform to vectors (n, d)."""
    if not isinstance(index, faiss.IndexPreTransform):
        return vectors
    for place in range(index.chain.size()):
        vectors = index.chain.at(place).apply(vectors)
    return vectors


def _copy(index: Any) -> Any:
    """Returns a copy of an index; faiss has no clone of every kind."""
    return faiss.deserialize_index(faiss.serialize_index(index))
