"""The plan of a build, and the files in which its steps meet.

| step, the work of one task | files below the plan's folder |
|---|---|
| `training`: seeds | seeds.npz, seeds.sample.npy, seeds.queries.npz |
| `training`: centroids of a part of the space, for many lists | centroids/PART.npy |
| `training`: the empty index | trained.npz |
| `shards`: encode a part of the photos | shards/NUMBER.*.npy |
| `merging`: which lists make a part of the file | layout.npz |
| `merging`: the lists of a part | parts/NUMBER.lists |
| `merging`: the index file and its ids | bundle/SEGMENT/index.faiss, ids.npy, digests.npy |

Each step ends with a marker (`products`). A step of the same plan whose marker is there is not done
again, so a build that was killed goes on.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from devise_lib.errors import InputError
from devise_lib.index.building.products import Product
from devise_lib.index.building.training import POINTS_PER_PART, TWO_LEVELS
from devise_lib.index.factory import IndexKey
from devise_lib.index.manifest import BASE
from devise_lib.index.places import PLACE_BITS
from devise_lib.storage.copies import WrittenFile
from devise_lib.storage.stores import store_files

GIB = 2**30
PROCESS_BYTES = 300 * 2**20  # of Python with its libraries, and of Arrow's batches
MOST_SHARD_ROWS = 262_144  # a kill costs at most so many vectors of a task
MOST_PART_BYTES = 256 * 2**20  # a larger part makes nothing faster
CODES_SAMPLE = 65_536  # vectors on which codes and transforms are trained, at most
PLAN_FILE = "plan.json"
FAILED_FILE = "failed.json"  # what was promised by a run that could not keep it


@dataclass(frozen=True)
class Plan:
    """What decides the files that some steps make in a folder.

    Attributes:
        folder: of the files, on a disk or a store that every task sees.
    """

    folder: str

    @property
    def digest(self) -> str:
        """A digest of all but the folder, by which steps know the files of their plan."""
        content = {**asdict(self), "folder": ""}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def path(self, name: str) -> str:
        """Returns the path of a file of the folder."""
        return f"{self.folder}/{name}"

    def finish(
        self, name: str, files: Mapping[str, WrittenFile], values: Mapping[str, Any]
    ) -> Product:
        """Marks the step `name` as done, with its files by their paths below the folder."""
        product = Product(self.folder, name, self.digest, files, values)
        product.write()
        return product

    def done(self, name: str) -> Product | None:
        """Returns what the step `name` has finished; None if it has not."""
        return Product.read(self.folder, name, self.digest)

    def require(self, name: str) -> Product:
        """Returns what the step `name` has finished.

        Raises:
            RuntimeError: it has not.
        """
        found = self.done(name)
        if found is None:
            raise RuntimeError(f"{self.folder} lacks the step {name}")
        return found


@dataclass(frozen=True)
class BuildPlan(Plan):
    """What decides the bytes of an index, but for the vectors themselves.

    Attributes:
        folder: of the build's files, on a disk or a store that every task sees.
        model_id: the model of the embeddings.
        table_version: the version of EMBEDDINGS that is read.
        photos_version: that of PHOTOS, for photos that are removed; -1 if there is no such table.
        transactions: of the commits that made these versions.
        key: the index in FAISS's index factory.
        rows: of the model in that version; some may be rejected.
        dimension: of a vector.
        id_bytes: the length of the longest photo_id in UTF-8.
        shards: their number, a power of two.
        part_bytes: the bytes of inverted lists that a task merges, about.
        sample_rows: the most vectors of a sample that a task may hold.
        points_per_list: vectors of the sample for each list.
        queries: the number of vectors with which recall is measured.
        k: the number of results with which recall is measured.
        seed: of the sample and the centroids.
        devices: "auto" trains and assigns on GPUs where a task sees some; "gpu", "cpu".
        asked: the settings that the plan was made for; a build of the same settings may go on.
        segment: the name of the segment that is built; see `manifest`.
        base: the bundle whose empty index is taken; "" to train one.
    """

    model_id: str
    table_version: int
    photos_version: int
    transactions: str
    key: str
    rows: int
    dimension: int
    id_bytes: int
    shards: int
    part_bytes: int
    sample_rows: int
    points_per_list: int
    queries: int
    k: int
    seed: int
    devices: str
    asked: Mapping[str, Any]
    segment: str = BASE
    base: str = ""

    @property
    def index_key(self) -> IndexKey:
        """The key in its parts."""
        return IndexKey.parse(self.key)

    @property
    def space_parts(self) -> int:
        """The parts of the space whose centroids are trained apart; 1 if all are trained at once.

        They are apart for many lists, because that is faster, and for a sample that is too large
        for one task.
        """
        nlist = self.index_key.nlist
        is_apart = nlist >= TWO_LEVELS or self.list_points > self.sample_rows
        return max(math.isqrt(nlist), 1) if is_apart else 1

    @property
    def seed_points(self) -> int:
        """The vectors of the first sample: for the parts of the space, the codes and transforms."""
        parts = self.space_parts
        lists = parts * POINTS_PER_PART if parts > 1 else self.list_points
        return min(max(lists, CODES_SAMPLE), self.sample_rows)

    @property
    def truth_depth(self) -> int:
        """The number of exact results per query that shards keep.

        They are more than k, because others with the score of the k-th count as well, and a query
        finds itself.
        """
        return 4 * self.k + 1

    @property
    def list_points(self) -> int:
        """The vectors of the sample on which all centroids are trained."""
        return self.index_key.nlist * self.points_per_list

    def write(self) -> None:
        """Writes the plan into its folder."""
        store_files().write(self.path(PLAN_FILE), json.dumps(asdict(self), indent=1).encode())

    def close(self) -> None:
        """Removes the plan: what is left in its folder is of no use to a later run."""
        store_files().remove(self.path(PLAN_FILE))

    def mark_failed(self, promise: Mapping[str, Any]) -> None:
        """Notes that no run of this plan keeps a promise."""
        store_files().write(self.path(FAILED_FILE), json.dumps(promise).encode())

    def has_failed(self, promise: Mapping[str, Any]) -> bool:
        """Tells whether an earlier run of this plan could not keep that promise."""
        content = store_files().read(self.path(FAILED_FILE))
        return content is not None and json.loads(content) == promise

    @classmethod
    def read(cls, folder: str) -> "BuildPlan | None":
        """Returns the plan of a folder; None if it has none that this version reads."""
        content = store_files().read(f"{folder}/{PLAN_FILE}")
        if content is None:
            return None
        try:
            return cls(**{**json.loads(content), "folder": folder})
        except (ValueError, TypeError):
            return None


def shard_name(number: int) -> str:
    """Returns the name of the step that writes a shard."""
    return f"shards/{number:06d}"


def part_name(number: int) -> str:
    """Returns the name of the step that writes a part of the index file."""
    return f"parts/{number:06d}"


def centroids_name(part: int) -> str:
    """Returns the name of the step that trains the centroids of a part of the space."""
    return f"centroids/{part:06d}"


def finished_shards(plan: BuildPlan) -> list[Product]:
    """Returns all shards, in the order of their rows.

    Raises:
        RuntimeError: one is missing.
    """
    return [plan.require(shard_name(number)) for number in range(plan.shards)]


@dataclass(frozen=True)
class Memory:
    """How much a task of each step may take, derived from `max_memory`.

    Attributes:
        shard_rows: the most rows of a shard.
        part_bytes: the most bytes of lists in a part.
        sample_rows: the most vectors of a sample.
    """

    shard_rows: int
    part_bytes: int
    sample_rows: int

    @classmethod
    def within(cls, max_bytes: int, key: IndexKey, dimension: int) -> "Memory":
        """Returns what fits into `max_bytes`.

        Raises:
            InputError: not even the centroids do; says how much is needed.
        """
        centroids = key.nlist * (dimension * 4 + key.links * 8 * 2)
        copies = 5  # the index, and its bytes when it is read or written
        fixed = PROCESS_BYTES + copies * centroids
        room = max_bytes - fixed
        if room < PROCESS_BYTES:
            needed = math.ceil((fixed + PROCESS_BYTES) / GIB * 10) / 10
            raise InputError(
                f"max_memory_gib is {max_bytes / GIB:.1f}, but {key.nlist:,} centroids of "
                f"{dimension} numbers need {needed}: raise it, or give an index_key with fewer "
                "lists"
            )
        vector = dimension * 4
        # A shard's codes lie in memory twice: as they come, and in the order of their lists.
        encoded = 2 * key.bytes_per_vector(dimension) + 160  # and its id, as Arrow and numpy
        # A part's codes and ids lie there twice; while fast scans are packed, up to five times.
        copies_of_part = 5 if key.is_fast_scan else 3
        # A sample lies there up to three times: as it comes, transformed, and in k-means.
        return cls(
            min(room // encoded, MOST_SHARD_ROWS),
            min(room // copies_of_part, MOST_PART_BYTES),
            room // (3 * vector),
        )


def shard_count(rows: int, most: int, least: int) -> int:
    """Returns the number of shards, a power of two.

    Args:
        rows: of the table.
        most: the most rows of a shard.
        least: the fewest shards, so that all cores have work.
    """
    wanted = max(-(-rows // max(1, most)), least, 1)
    return min(1 << (wanted - 1).bit_length(), 1 << (PLACE_BITS // 4))


def unfinished(folders: Sequence[str], asked: Mapping[str, Any]) -> BuildPlan | None:
    """Returns the plan of a build with the same settings that was killed; None if there is none."""
    for folder in folders:
        plan = BuildPlan.read(folder)
        if plan and dict(plan.asked) == dict(asked):
            return plan
    return None
