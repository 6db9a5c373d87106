"""A hash: hyperplanes that give a vector one code per hash table, and a long signature.

Source: M. Charikar, Similarity estimation techniques from rounding algorithms, STOC 2002.
"""

import io
from dataclasses import dataclass
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.vectors import FloatArray

MAX_BITS = 62  # a code is a signed 64-bit integer
SIGNATURE_BITS = 256
WORD_BITS = 64
ROWS_AT_ONCE = 4_096  # whose products with all planes are in memory


@dataclass(frozen=True, eq=False)
class Hash:
    """Hyperplanes that hash vectors of one length.

    Attributes:
        planes: (tables, bits, d), float32; normals of the hyperplanes of the codes.
        thresholds: (tables, bits), float64; a bit is 1 where the product with the normal is above.
        signature_planes: (SIGNATURE_BITS, d), float32; random normals through the origin, whatever
            the planes of the codes are. So Hamming distances of signatures tell the angle.
    """

    planes: NDArray[np.float32]
    thresholds: NDArray[np.float64]
    signature_planes: NDArray[np.float32]

    def __post_init__(self) -> None:
        shape, d = self.planes.shape, self.planes.shape[-1]
        if (
            self.planes.ndim != 3
            or self.thresholds.shape != shape[:2]
            or self.signature_planes.shape != (SIGNATURE_BITS, d)
            or not 1 <= self.bits <= MAX_BITS
        ):
            raise ValueError(
                f"want planes (tables, bits, d) with bits in [1, {MAX_BITS}], thresholds (tables, "
                f"bits) and signature planes ({SIGNATURE_BITS}, d); got {shape}, "
                f"{self.thresholds.shape}, {self.signature_planes.shape}"
            )

    @property
    def tables(self) -> int:
        """The number of hash tables."""
        return len(self.planes)

    @property
    def bits(self) -> int:
        """Hyperplanes per hash table."""
        return self.planes.shape[1]

    @property
    def dimension(self) -> int:
        """The length of the vectors."""
        return self.planes.shape[2]

    def margins(self, vectors: FloatArray) -> NDArray[np.float64]:
        """Returns how far each vector is above the threshold of each plane, (n, tables, bits).

        Products are summed in float64. In float32 the last bits depend on how many vectors one call
        has, so a vector close to a plane could change its bucket with the batch.

        Args:
            vectors: (n, d).

        Raises:
            ValueError: the vectors have another length.
        """
        normals = self.planes.reshape(-1, self.dimension)
        products = _products(vectors, normals) - self.thresholds.ravel()
        return products.reshape(len(vectors), self.tables, self.bits)

    def codes(self, vectors: FloatArray) -> NDArray[np.int64]:
        """Returns the code of each vector in each hash table, (n, tables).

        The first plane of a table gives the highest of its `bits` bits. So the first r planes alone
        give the prefix `code >> (bits - r)`.

        Args:
            vectors: (n, d).

        Raises:
            ValueError: the vectors have another length.
        """
        parts = [vectors[at : at + ROWS_AT_ONCE] for at in range(0, len(vectors), ROWS_AT_ONCE)]
        empty = np.empty((0, self.tables), np.int64)
        return np.concatenate([empty, *(codes_of(self.margins(part)) for part in parts)])

    def signatures(self, vectors: FloatArray) -> NDArray[np.int64]:
        """Returns the long signature of each vector, (n, SIGNATURE_BITS / 64).

        Bit i of word j, counted from the lowest, is 1 where the product of the vector with
        signature plane 64 j + i is above zero.

        Args:
            vectors: (n, d).

        Raises:
            ValueError: the vectors have another length.
        """
        words = np.empty((len(vectors), SIGNATURE_BITS // WORD_BITS), np.int64)
        for at in range(0, len(vectors), ROWS_AT_ONCE):
            sides = _products(vectors[at : at + ROWS_AT_ONCE], self.signature_planes) > 0
            packed = np.packbits(sides, axis=1, bitorder="little")
            words[at : at + ROWS_AT_ONCE] = packed.view("<i8")
        return words

    def to_bytes(self) -> bytes:
        """Returns the hash as a file of numpy (.npz), the same bytes for the same hash."""
        file = io.BytesIO()
        np.savez(
            file,
            planes=self.planes.astype("<f4"),
            thresholds=self.thresholds.astype("<f8"),
            signature_planes=self.signature_planes.astype("<f4"),
        )
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Hash":
        """Reads what `to_bytes` gave.

        Raises:
            ValueError: it is no such file.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                return cls(arrays["planes"], arrays["thresholds"], arrays["signature_planes"])
        except (OSError, EOFError, KeyError, ValueError, TypeError, BadZipFile) as error:
            raise ValueError(f"the file of a hash cannot be read: {error}") from error


def codes_of(margins: NDArray[np.float64]) -> NDArray[np.int64]:
    """Returns the codes (n, tables) that margins (n, tables, bits) give."""
    bits = margins.shape[-1]
    values = np.int64(1) << np.arange(bits - 1, -1, -1, dtype=np.int64)  # (bits,)
    return (margins > 0) @ values


def random_planes(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    """Draws normals of random hyperplanes: standard normal numbers, float32."""
    return rng.standard_normal(shape, dtype=np.float32)


def hamming(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the number of bits in which signatures differ.

    Args:
        first, second: (..., words), of shapes that go together.
    """
    differing = np.bitwise_xor(first, second)
    return np.unpackbits(differing[..., None].view(np.uint8), axis=-1).sum((-2, -1), dtype=np.int64)


def _products(vectors: FloatArray, normals: NDArray[np.float32]) -> NDArray[np.float64]:
    if vectors.ndim != 2 or vectors.shape[1] != normals.shape[1]:
        raise ValueError(f"want vectors (n, {normals.shape[1]}); got {vectors.shape}")
    return vectors.astype(np.float64) @ normals.astype(np.float64).T
