"""What the report shows of the index and of the hash, as plain values."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IndexFigures:
    """An index bundle, from its manifest.

    Attributes:
        name: of the bundle.
        key: faiss's name for its kind, e.g. "IVF256,Flat".
        vectors: how many vectors it holds.
        parameters: of the search, as faiss takes them.
        k: how many nearest photos a query asks for.
        recall: the share of the exact k nearest photos that the index finds.
        low, high: the 95 % confidence interval of the recall.
        queries_per_s: on all threads of the machine that built it.
        curve: (queries per second, recall) of each measured setting.
        target: the recall that was asked for; 0 for none.
    """

    name: str
    key: str
    vectors: int
    parameters: str
    k: int
    recall: float
    low: float
    high: float
    queries_per_s: float
    curve: Sequence[tuple[float, float]]
    target: float


@dataclass(frozen=True, slots=True)
class HashTable:
    """How one hash table spreads the photos over its buckets.

    Attributes:
        number: of the table, counted from 0 as in BUCKET_STATISTICS.
        largest_share: the share of the photos that the largest bucket holds.
        candidates: photos in the bucket of a random photo, itself included.
        entropy: of the bucket of a random photo, in bits.
        possible_entropy: of photos that are spread over all buckets; 0 for a single photo.
        balance: the share of ones in each bit of the codes.
    """

    number: int
    largest_share: float
    candidates: float
    entropy: float
    possible_entropy: float
    balance: Sequence[float]


@dataclass(frozen=True, slots=True)
class HashSpread:
    """How evenly a hash spreads the photos.

    Attributes:
        hash_id: of the hash.
        kind: how its hyperplanes were made; "" if it is unknown.
        photos: the number of photos that were hashed.
        bucket_bits: the first bits of a code that make the bucket.
        least_balance: the share of ones or zeros in a bit, below which it tells almost nothing.
        tables: the hash tables, at least one, all with codes of the same length.
        advice: what is wrong and which remedy to try, a line each.
    """

    hash_id: str
    kind: str
    photos: int
    bucket_bits: int
    least_balance: float
    tables: Sequence[HashTable]
    advice: Sequence[str]
