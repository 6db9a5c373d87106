"""Keys of FAISS's index factory: which ones are built, what they cost, and which one to take."""

import math
import re
from dataclasses import dataclass
from typing import Any

import faiss

from devise_lib.errors import InputError

METRIC = "inner_product"  # the cosine, for unit vectors
ID_BYTES = 8  # per vector, in the inverted lists

MIN_POINTS_PER_LIST = 39  # with fewer, faiss warns that centroids are badly placed
HNSW_LISTS = 4_096  # from here on a graph finds a query's centroids faster than a scan of all
HNSW_LINKS = 32
SMALL, ALMOST_ALL = 100_000, 0.99  # vectors, and recall, from which on exact codes are worth it

# (least number of vectors, lists), by the guidelines of faiss.
LARGE = ((100_000_000, 262_144), (10_000_000, 65_536), (1_000_000, 16_384))

WANTED = (
    "want an inverted file, as in [OPQ32_128,]IVF65536[_HNSW32],CODES[,RFlat]: it may have a "
    "transform before it (OPQ, PCA, RR, L2norm), a graph over its centroids (_HNSW), codes of any "
    "kind that faiss keeps in inverted lists (Flat, SQ8, SQfp16, PQ32, PQ32x4fsr, RaBitQ, ...), "
    "and RFlat or Refine(Flat), Refine(SQ8), Refine(SQfp16) after it"
)
_LISTS = re.compile(r"IVF(?P<nlist>[1-9]\d*)(?:_HNSW(?P<links>[1-9]\d*))?")
_FAST_SCAN = re.compile(r"(?P<codes>PQ\d+x4)fs(?P<residual>r?)")
_REFINE = re.compile(r"RFlat|Refine\((?:Flat|SQ\w+)\)")


@dataclass(frozen=True)
class IndexKey:
    """A key of FAISS's index factory, in its parts.

    Attributes:
        transforms: what is done to a vector first, such as "OPQ32_128"; mostly none.
        nlist: the number of inverted lists.
        links: of the HNSW graph over the centroids; 0 if all centroids are compared.
        codes: how vectors are stored in the lists, such as "SQ8".
        refine: how vectors are stored once more, to rank the best results anew; "" if they are not.
    """

    transforms: tuple[str, ...]
    nlist: int
    links: int
    codes: str
    refine: str

    @classmethod
    def parse(cls, text: str) -> "IndexKey":
        """Reads a key.

        Raises:
            InputError: it is no key of an index that can be built in shards.
        """
        parts = [part.strip() for part in text.split(",")]
        found = [(at, lists) for at, part in enumerate(parts) if (lists := _LISTS.fullmatch(part))]
        if len(found) != 1:
            raise InputError(f"index_key is {text!r}: {WANTED}")
        [(place, lists)] = found
        transforms, rest = parts[:place], parts[place + 1 :]
        refine = rest.pop() if rest and _REFINE.fullmatch(rest[-1]) else ""
        if len(rest) != 1 or not all((*transforms, *rest)):
            raise InputError(f"index_key is {text!r}: {WANTED}")
        nlist, links = int(lists["nlist"]), int(lists["links"] or 0)
        return cls(tuple(transforms), nlist, links, rest[0], refine)

    def __str__(self) -> str:
        parts = (*self.transforms, self._lists, self.codes, self.refine)
        return ",".join(part for part in parts if part)

    @property
    def is_fast_scan(self) -> bool:
        """Whether codes are kept in blocks of 32, which one instruction compares."""
        return _FAST_SCAN.fullmatch(self.codes) is not None

    @property
    def _lists(self) -> str:
        return f"IVF{self.nlist}" + (f"_HNSW{self.links}" if self.links else "")

    def make_encoder(self, dimension: int) -> Any:
        """Returns the untrained faiss index that encodes single vectors: no blocks, no refinement.

        Raises:
            InputError: faiss cannot make it for vectors of this length, or its codes do not lie in
                inverted lists one by one.
        """
        fast = _FAST_SCAN.fullmatch(self.codes)
        codes = fast["codes"] if fast else self.codes
        text = ",".join((*self.transforms, self._lists, codes))
        encoder = _make(text, dimension, str(self))
        ivf = faiss.try_extract_index_ivf(encoder)
        if ivf is None or not _is_plain(ivf):
            raise InputError(f"index_key is {str(self)!r}: {WANTED}")
        if fast:
            ivf.by_residual = bool(fast["residual"])
        return encoder

    def make_refiner(self, dimension: int) -> Any | None:
        """Returns the untrained faiss index of the vectors that refine; None if there is none."""
        if not self.refine:
            return None
        text = "Flat" if self.refine == "RFlat" else self.refine[len("Refine(") : -1]
        return _make(text, dimension, str(self))

    def bytes_per_vector(self, dimension: int) -> int:
        """Returns what a vector adds to the index: its codes and its id, in bytes."""
        encoder = self.make_encoder(dimension)  # owns the index in it
        ivf = faiss.extract_index_ivf(encoder)
        refiner = self.make_refiner(dimension)
        return int(ivf.code_size) + ID_BYTES + (int(refiner.code_size) if refiner else 0)


def choose_nlist(n: int, n_train: int) -> int:
    """Returns the number of inverted lists for n vectors, as far as the training vectors allow.

    | vectors | lists |
    | below 1 million | 4 sqrt(n) |
    | from 1 million | 16,384 |
    | from 10 million | 65,536 |
    | from 100 million | 262,144 |

    There is never more than one list per 39 training vectors. So 262,144 lists need 10.2 million.

    Args:
        n: vectors in the index.
        n_train: vectors that the centroids may be trained on.

    Returns:
        At least 1. A search of an index with one list covers all vectors.

    Raises:
        ValueError: there is nothing to train on.

    Source: the faiss wiki, Guidelines to choose an index; from a million vectors on a quarter of
    its lists, which take a quarter of the training.
    """
    if n < 1 or n_train < 1:
        raise ValueError(f"want at least one vector to train on; got n {n}, n_train {n_train}")
    wanted = next((nlist for least, nlist in LARGE if n >= least), int(4 * math.sqrt(n)))
    return max(1, min(wanted, n_train // MIN_POINTS_PER_LIST))


def choose_key(n: int, n_train: int, dimension: int, budget: float, recall: float) -> IndexKey:
    """Returns the key for an index of n unit vectors: the codes that a budget allows.

    | vectors | wanted recall | bytes per vector, its id included | codes |
    | below 100,000 | any | 4 d + 8 and more, or no budget | Flat |
    | any | above 0.99 | 4 d + 8 and more, or no budget | Flat |
    | any | any | 2 d + 8 and more, or no budget | SQfp16: nearly the same results |
    | any | any | d + 8 and more | SQ8 |
    | any | any | less | the longest PQ of 2 numbers and more per byte, with OPQ before it |

    Args:
        n: vectors in the index.
        n_train: vectors that may be trained on.
        dimension: d, of a vector.
        budget: bytes per vector, its id included; 0 for no limit.
        recall: the wanted recall.

    Raises:
        InputError: no code is as short as the budget.
    """
    nlist = choose_nlist(n, n_train)
    links = HNSW_LINKS if nlist >= HNSW_LISTS else 0
    exact = ("Flat",) if n < SMALL or recall > ALMOST_ALL else ()
    for codes in (*exact, "SQfp16", "SQ8"):
        key = IndexKey((), nlist, links, codes, "")
        if not budget or key.bytes_per_vector(dimension) <= budget:
            return key
    room = int(budget) - ID_BYTES
    lengths = [m for m in range(1, room + 1) if 2 * m <= dimension and (m % 8 == 0 or m < 8)]
    if not lengths:
        raise InputError(
            f"{budget:.1f} bytes per vector are too few for an index of {n:,} vectors of "
            f"{dimension} numbers with recall {recall}: want {ID_BYTES + 1} or more, "
            f"{ID_BYTES} of them for the id; raise bytes_per_vector or max_index_gib"
        )
    m = lengths[-1]
    rotated = -(-dimension // m) * m  # the least multiple of m that loses no dimension
    return IndexKey((f"OPQ{m}_{rotated}",), nlist, links, f"PQ{m}", "")


def _make(text: str, dimension: int, key: str) -> Any:
    try:
        return faiss.index_factory(dimension, text, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(
            f"index_key is {key!r}, which faiss {faiss.__version__} cannot make for vectors of "
            f"{dimension} numbers ({reason}): {WANTED}"
        ) from error


def _is_plain(ivf: Any) -> bool:
    """Tells whether codes lie one by one, so that lists of shards can be joined."""
    return type(faiss.downcast_InvertedLists(ivf.invlists)) is faiss.ArrayInvertedLists
