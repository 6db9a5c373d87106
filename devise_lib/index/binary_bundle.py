"""A bundle of binary indexes over the signatures of photos: one folder, which may be moved.

    {work_dir}/binary_index/CURRENT       the name of the published bundle
    {work_dir}/binary_index/<bundle>/
        ivf.faiss, hash.faiss, multi_hash.faiss     the kinds that were asked for (see `binary`)
        ids.npy             the photo_id of each row, as bytes, rising
        hash.npz            the hash, by which a search team hashes its queries
        manifest.json, README.md

Bundles are published and dropped as `bundle` says.
"""

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from devise_lib.index.binary import (
    Asked,
    Sample,
    Wanted,
    make_index,
    measure,
    parameters_of,
    radius_of,
    write_index,
)
from devise_lib.index.building.arrays import array_header
from devise_lib.index.building.memory import threads_here
from devise_lib.index.bundle import publish_folder
from devise_lib.index.index_file import VERSION, in_threads
from devise_lib.index.manifest import (
    IDS_FILE,
    MANIFEST_FILE,
    README_FILE,
    FileAbout,
    name_of_bundle,
)
from devise_lib.index.readme import binary_readme
from devise_lib.paths import absolute
from devise_lib.storage.copies import write_hashed
from devise_lib.storage.stores import store_files

FORMAT = 1  # raised when a reader of the old manifest could misread the new one
HASH_FILE = "hash.npz"


@dataclass(frozen=True)
class IndexAbout:
    """An index of the bundle.

    Attributes:
        file: its name.
        parameters: by FAISS's names, as the file has them.
        radius: the Hamming distance up to which it surely finds a photo; null for an "ivf".
        recall: the share of the exact k nearest photos that it finds, in [0, 1].
        queries_per_s: of many queries at once.
        bytes_per_photo: of the file.
    """

    file: str
    parameters: Mapping[str, int]
    radius: int | None
    recall: float
    queries_per_s: float
    bytes_per_photo: float

    def line(self, k: int) -> str:
        """Returns its line in README.md."""
        said = ", ".join(f"{name} = {value}" for name, value in self.parameters.items())
        sure = "" if self.radius is None else f"; all photos up to distance {self.radius}"
        return (
            f"| {self.file} | {said}: finds {100 * self.recall:.1f} % of the nearest {k}{sure}; "
            f"{self.queries_per_s:,.0f} queries per second |"
        )


@dataclass(frozen=True)
class BinaryIndexes:
    """Indexes that were written, and how good they are.

    Attributes:
        n: the number of photos.
        bits: of a signature.
        k: the number of results with which recall was measured. A query is a photo of the index,
            and does not count as its own result.
        queries: with which it was measured. None of them trained an index.
        trained_on: the signatures on which the centroids of an "ivf" were trained.
        seed: of the queries and the centroids.
        threads: with which speed was measured.
        faiss_version: that wrote the files.
        indexes: by kind.
        files: by their names.
    """

    n: int
    bits: int
    k: int
    queries: int
    trained_on: int
    seed: int
    threads: int
    faiss_version: str
    indexes: Mapping[str, IndexAbout]
    files: Mapping[str, FileAbout]

    def to_json(self) -> str:
        """Returns the text that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "BinaryIndexes":
        """Reads what `to_json` returned."""
        values: dict[str, Any] = json.loads(text)
        values["indexes"] = {kind: IndexAbout(**each) for kind, each in values["indexes"].items()}
        values["files"] = {name: FileAbout(**each) for name, each in values["files"].items()}
        return cls(**values)


@dataclass(frozen=True)
class Origin:
    """What the signatures are.

    Attributes:
        model_id: the model of the embeddings; queries must be of the same model.
        hash_id: the hash that made them.
        dimension: the length of an embedding.
        table, table_version: the table of signatures, and its version.
        run_id: the MLflow run that wrote the bundle.
    """

    model_id: str
    hash_id: str
    dimension: int
    table: str
    table_version: int
    run_id: str


def binary_root(work_dir: str) -> str:
    """Returns the folder of the bundles, absolute because workers have other current folders."""
    return f"{absolute(work_dir)}/binary_index"


def write_indexes(
    folder: str,
    batches: Iterable[tuple[list[str], NDArray[np.int64]]],
    n: int,
    id_bytes: int,
    wanted: Wanted,
) -> BinaryIndexes:
    """Writes the indexes and the ids of signatures; one index is in memory at a time.

    The signatures wait in a file of this machine's disk, which is mapped. See `binary` for the
    memory that an index takes.

    Args:
        folder: on a disk or a store.
        batches: the photo ids and the signatures (b, words), in the order of ids.
        n: the number of photos.
        id_bytes: the length of the longest id in UTF-8.
        wanted: what to make.

    Raises:
        ValueError: there are fewer than two photos.
    """
    sample = Sample.draw(n, wanted)
    with tempfile.TemporaryDirectory(prefix="devise-signatures-") as scratch:
        path = Path(scratch) / "signatures"
        with path.open("wb") as signatures:
            split = partial(_split, batches, n, id_bytes, signatures)
            files = {IDS_FILE: write_hashed(f"{folder}/{IDS_FILE}", split)}
        codes = np.memmap(path, np.uint8, "r").reshape(n, -1)
        threads = threads_here()
        asked = in_threads(threads, lambda: Asked.of(codes, sample.queries))
        indexes = {}
        for kind in wanted.kinds:
            index = in_threads(threads, partial(make_index, kind, codes, sample, wanted))
            about, file = parameters_of(index), f"{kind}.faiss"
            quality = asdict(measure(index, asked, threads))
            files[file] = write_hashed(f"{folder}/{file}", partial(write_index, index))
            del index  # before the next one is made
            each = files[file].size / n
            indexes[kind] = IndexAbout(
                file, about, radius=radius_of(about), bytes_per_photo=each, **quality
            )
    return BinaryIndexes(
        n=n,
        bits=8 * codes.shape[1],
        k=asked.k,
        queries=len(sample.queries),
        trained_on=len(sample.train) if "ivf" in wanted.kinds else 0,
        seed=wanted.seed,
        threads=threads,
        faiss_version=VERSION,
        indexes=indexes,
        files={name: FileAbout(each.size, each.sha256) for name, each in files.items()},
    )


def publish_indexes(
    building: str, made: BinaryIndexes, origin: Origin, hash_file: bytes, root: str, keep: int
) -> str:
    """Makes a folder of indexes a bundle, points CURRENT to it, and returns its place.

    Args:
        building: the folder, on the disk or store of `root`; it is moved.
        made: what is in it.
        origin: of the signatures.
        hash_file: the content of the file of the hash.
        root: the folder of the bundles.
        keep: this many bundles stay; older ones are removed.
    """
    files = dict(made.files)

    def add(name: str, content: bytes) -> None:
        written = write_hashed(f"{building}/{name}", lambda file: file.write(content))
        files[name] = FileAbout(written.size, written.sha256)

    add(HASH_FILE, hash_file)
    # Times differ from run to run, so the page that has them does not count.
    content = [FORMAT, sorted((name, about.sha256) for name, about in files.items())]
    name = name_of_bundle(origin.model_id, origin.table_version, content)
    lines = [about.line(made.k) for about in made.indexes.values()]
    first = next(iter(made.indexes.values())).file
    add(README_FILE, binary_readme(asdict(origin) | asdict(made), lines, first).encode())
    manifest = {"format": FORMAT, **asdict(origin), **asdict(replace(made, files=files))}
    text = json.dumps(manifest, indent=1) + "\n"
    store_files().write(f"{building}/{MANIFEST_FILE}", text.encode())
    return publish_folder(building, name, root, keep)


def _split(
    batches: Iterable[tuple[list[str], NDArray[np.int64]]],
    n: int,
    id_bytes: int,
    signatures: BinaryIO,
    ids: BinaryIO,
) -> None:
    """Writes the ids to one file and the signatures, little-endian, to another."""
    of_ids = np.dtype(f"S{id_bytes}")
    ids.write(array_header(of_ids, (n,)))
    for names, words in batches:
        ids.write(np.array([name.encode() for name in names], of_ids).tobytes())
        signatures.write(words.astype("<i8").tobytes())
