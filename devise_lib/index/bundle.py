"""The index bundle: one folder that a search team uses as it is, with only faiss and pyarrow.

    {work_dir}/index/CURRENT          the name of the published bundle
    {work_dir}/index/<bundle>/        index.faiss, ids.parquet, manifest.json, README.md

A bundle is built under another name and moved when it is complete. On a store, which knows no
rename, the manifest is copied last. CURRENT is replaced at once. A reader therefore finds the old
bundle or the new one, never half of one. If an index that already has a bundle is built again, the
old bundle is moved away first; for a moment a reader finds none.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from devise_lib.errors import InputError
from devise_lib.index.faiss_index import IvfIndex
from devise_lib.index.readme import how_to_query, readme
from devise_lib.index.tuning import RecallPoint
from devise_lib.paths import absolute, is_remote
from devise_lib.storage.copies import cached, fetched_folder
from devise_lib.storage.files import file_sha256
from devise_lib.storage.folders import move_folder
from devise_lib.storage.stores import store_files

FORMAT = 1  # raised when a reader of the old manifest could misread the new one
INDEX_FILE = "index.faiss"
IDS_FILE = "ids.parquet"
MANIFEST_FILE = "manifest.json"
CURRENT_FILE = "CURRENT"
AGAIN = "run build_index again"


@dataclass(frozen=True)
class Manifest:
    """The contents of a bundle, and its quality.

    Attributes:
        model_id: the model of the embeddings; queries must be of the same model.
        table, table_version: the indexed table and its version.
        run_id: the MLflow run that built it.
        n: the number of vectors, and of rows in ids.parquet.
        dimension: the length of a vector.
        metric: inner_product; vectors and queries have unit norm, so scores are cosines.
        index_key: the name of the index in faiss's index_factory.
        nlist: the number of inverted lists.
        nprobe: the number of lists to search, the fewest that reach recall_target.
        k, queries: the numbers of results and of queries with which recall was measured. A query is
            a vector of the index and does not count as its own result.
        recall_target: the wanted recall.
        recall: the share of the exact k results that are found at nprobe, in [0, 1].
        curve: the recall at other nprobe.
        seed: of the sample and the centroids.
        faiss_version: that wrote index.faiss.
        sha256: of index.faiss and ids.parquet, hexadecimal.
        format: the version of the bundle's layout.
    """

    model_id: str
    table: str
    table_version: int
    run_id: str
    n: int
    dimension: int
    metric: str
    index_key: str
    nlist: int
    nprobe: int
    k: int
    queries: int
    recall_target: float
    recall: float
    curve: tuple[RecallPoint, ...]
    seed: int
    faiss_version: str
    sha256: Mapping[str, str]
    format: int = FORMAT

    def bundle_name(self) -> str:
        """Returns model, table version and a digest of all else but the run, so equal builds share
        a name.
        """
        content = {**asdict(self), "run_id": ""}
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return f"{self.model_id}-v{self.table_version}-{digest[:8]}"


@dataclass(frozen=True)
class Bundle:
    """A bundle on a disk or a store."""

    folder: str
    manifest: Manifest

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.rpartition("/")[2]

    def require_model(self, model_id: str) -> None:
        """Checks that the bundle is of the model `model_id`, so that vectors of two models are not
        mixed.

        Raises:
            InputError: the bundle is of another model.
        """
        if self.manifest.model_id != model_id:
            raise InputError(
                f"the published index {self.folder} is of model {self.manifest.model_id}, and "
                f"{model_id} was asked for: run build_index with that model, or ask for "
                f"{self.manifest.model_id}"
            )

    def open_index(self) -> IvfIndex:
        """Returns the index, memory-mapped; a process opens it once, and copies it from a store."""
        return _open_once(f"{self.folder}/{INDEX_FILE}", self.manifest.sha256[INDEX_FILE])


def index_root(work_dir: str) -> str:
    """Returns the folder of the bundles, absolute because workers have other current folders."""
    return f"{absolute(work_dir)}/index"


def publish(building: str, manifest: Manifest, root: str) -> Bundle:
    """Makes a folder with an index and its ids a bundle, and points CURRENT to it.

    Args:
        building: a folder on the disk or store of `root`; it is moved.
        manifest: of the bundle. It holds the files' digests, which are not computed again here
            because reading takes seconds per GiB. The rows are counted on a disk. On a store only
            the task that made the files has counted them (`check_files`).
        root: the folder of the bundles.

    Raises:
        InputError: a file is missing, or the numbers of rows differ from the manifest's.
    """
    values = asdict(manifest)
    described = {**values, "how_to_query": how_to_query(values).splitlines()}
    files = store_files()
    files.write(f"{building}/{MANIFEST_FILE}", (json.dumps(described, indent=1) + "\n").encode())
    files.write(f"{building}/README.md", readme(values).encode())
    if not is_remote(building):
        check_files(Path(building), manifest.n, manifest.dimension)
    made = Bundle(f"{root}/{manifest.bundle_name()}", manifest)
    # also one of the same name, which may be damaged by now
    move_folder(building, made.folder, MANIFEST_FILE)
    point_to(root, made.name)
    return made


def point_to(root: str, name: str) -> None:
    """Points CURRENT to a bundle, atomically."""
    store_files().write(f"{root}/{CURRENT_FILE}", f"{name}\n".encode())


def read_current(work_dir: str) -> Bundle:
    """Returns the published bundle of a work folder.

    Raises:
        InputError: there is none yet, or CURRENT does not name a bundle.
    """
    root = index_root(work_dir)
    content = store_files().read(f"{root}/{CURRENT_FILE}")
    if content is None:
        raise InputError(f"no index at {root}: run build_index first, or give another work_dir")
    name = content.decode().strip()
    if not name or name != Path(name).name:
        raise InputError(f"{root}/{CURRENT_FILE} holds {name!r}, want a folder beside it")
    return read_bundle(f"{root}/{name}")


def read_bundle(folder: str) -> Bundle:
    """Returns the bundle of a folder.

    Raises:
        InputError: the folder is no bundle, or one of another format.
    """
    path = f"{folder}/{MANIFEST_FILE}"
    content = store_files().read(path)
    if content is None:
        raise InputError(f"{folder} is not an index bundle, it has no {MANIFEST_FILE}: {AGAIN}")
    try:
        values: dict[str, Any] = json.loads(content)
        if values.get("format") != FORMAT:
            raise InputError(f"{path} has format {values.get('format')!r}, want {FORMAT}: {AGAIN}")
        del values["how_to_query"]
        values["curve"] = tuple(RecallPoint(**point) for point in values["curve"])
        return Bundle(folder, Manifest(**values))
    except (TypeError, KeyError, AttributeError, json.JSONDecodeError) as error:
        raise InputError(f"{folder} is not an index bundle ({error}): {AGAIN}") from error


def verify(bundle: Bundle) -> None:
    """Reads the files of a bundle and compares them with its manifest.

    Raises:
        InputError: a file is missing or was changed, or the numbers of rows differ.
    """
    manifest = bundle.manifest
    with fetched_folder(bundle.folder) as folder:
        for name, wanted in manifest.sha256.items():
            if not (folder / name).exists():
                raise InputError(f"{bundle.folder}/{name} is missing: {AGAIN}")
            if (got := file_sha256(folder / name)) != wanted:
                raise InputError(
                    f"{bundle.folder}/{name} was changed: its SHA-256 is {got}, the manifest has "
                    f"{wanted}; {AGAIN}"
                )
        check_files(folder, manifest.n, manifest.dimension)


def check_files(folder: Path, n: int, dimension: int) -> None:
    """Compares rows and dimensions of a local bundle's files; reads only headers and footers.

    Args:
        folder: of the files.
        n: the number of vectors, and of ids.
        dimension: of a vector.

    Raises:
        InputError: a file is missing or cut off, or a number differs.
    """
    for name in (INDEX_FILE, IDS_FILE):
        if not (folder / name).exists():
            raise InputError(f"{folder / name} is missing: {AGAIN}")
    index = IvfIndex.load(folder / INDEX_FILE, memory_map=True)
    try:
        rows = pq.read_metadata(folder / IDS_FILE).num_rows
    except pa.ArrowException as error:
        raise InputError(f"{folder / IDS_FILE} is cut off: {AGAIN}") from error
    if (index.n, rows, index.dimension) != (n, n, dimension):
        raise InputError(
            f"{folder} has {index.n} vectors of {index.dimension} dimensions and {rows} ids, the "
            f"manifest says {n} of {dimension}: {AGAIN}"
        )


@lru_cache(maxsize=1)
def _open_once(path: str, sha256: str) -> IvfIndex:
    return IvfIndex.load(cached(path, sha256), memory_map=True)
