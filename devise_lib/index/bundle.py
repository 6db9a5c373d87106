"""The index bundle: one folder that a search team uses as it is, with only faiss and pyarrow.

    {work_dir}/index/CURRENT          the name of the published bundle
    {work_dir}/index/<bundle>/        index.faiss, ids.parquet, manifest.json, README.md

A bundle is built under another name and renamed when it is complete. CURRENT is replaced by a
rename, too. A reader therefore finds the old bundle or the new one, never half of one. If an index
that already has a bundle is built again, the old bundle is moved away first; for a moment a reader
finds none.
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
from devise_lib.folders import replace_folder
from devise_lib.index.faiss_index import IvfIndex
from devise_lib.index.readme import how_to_query, readme
from devise_lib.index.tuning import RecallPoint
from devise_lib.paths import write_text_atomically

FORMAT = 1  # raised when a reader of the old manifest could misread the new one
INDEX_FILE = "index.faiss"
IDS_FILE = "ids.parquet"
MANIFEST_FILE = "manifest.json"
CURRENT_FILE = "CURRENT"


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
    """A bundle on disk."""

    folder: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

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
        """Returns the index, memory-mapped; a process opens it once."""
        return _open_once(self.folder / INDEX_FILE, self.manifest.sha256[INDEX_FILE])


def index_root(work_dir: str) -> Path:
    """Returns the folder of the bundles as an absolute path, because workers have other current
    folders.
    """
    return Path(work_dir).absolute() / "index"


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def publish(building: Path, manifest: Manifest, root: Path) -> Bundle:
    """Makes a folder with an index and its ids a bundle, and points CURRENT to it.

    Args:
        building: a folder on the file system of `root`; it is renamed.
        manifest: of the bundle. It holds the files' digests, which are not computed again here
            because reading takes seconds per GiB. The rows are counted.
        root: the folder of the bundles.

    Raises:
        InputError: a file is missing, or the numbers of rows differ from the manifest's.
    """
    values = asdict(manifest)
    described = {**values, "how_to_query": how_to_query(values).splitlines()}
    (building / MANIFEST_FILE).write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    (building / "README.md").write_text(readme(values), encoding="utf-8")
    check_rows(Bundle(building, manifest))
    folder = root / manifest.bundle_name()
    replace_folder(building, folder)  # also one of the same name, which may be damaged by now
    point_to(root, folder.name)
    return Bundle(folder, manifest)


def point_to(root: Path, name: str) -> None:
    """Points CURRENT to a bundle, atomically."""
    write_text_atomically(root / CURRENT_FILE, f"{name}\n")


def read_current(work_dir: str) -> Bundle:
    """Returns the published bundle of a work folder.

    Raises:
        InputError: there is none yet, or CURRENT does not name a bundle.
    """
    root = index_root(work_dir)
    current = root / CURRENT_FILE
    if not current.exists():
        raise InputError(f"no index at {root}: run build_index first, or give another work_dir")
    name = current.read_text(encoding="utf-8").strip()
    if not name or name != Path(name).name:
        raise InputError(f"{current} holds {name!r}, want the name of a folder beside it")
    return read_bundle(root / name)


def read_bundle(folder: Path) -> Bundle:
    """Returns the bundle of a folder.

    Raises:
        InputError: the folder is no bundle, or one of another format.
    """
    path = folder / MANIFEST_FILE
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if values.get("format") != FORMAT:
            raise InputError(
                f"{path} has format {values.get('format')!r}, want {FORMAT}: run build_index again"
            )
        del values["how_to_query"]
        values["curve"] = tuple(RecallPoint(**point) for point in values["curve"])
        return Bundle(folder, Manifest(**values))
    except (OSError, TypeError, KeyError, AttributeError, json.JSONDecodeError) as error:
        raise InputError(
            f"{folder} is not an index bundle ({error}): run build_index again"
        ) from error


def verify(bundle: Bundle) -> None:
    """Reads the files of a bundle and compares them with its manifest.

    Raises:
        InputError: a file is missing or was changed, or the numbers of rows differ.
    """
    for name, wanted in bundle.manifest.sha256.items():
        path = bundle.folder / name
        if not path.exists():
            raise InputError(f"{path} is missing: run build_index again")
        if (got := file_sha256(path)) != wanted:
            raise InputError(
                f"{path} was changed: its SHA-256 is {got}, the manifest has {wanted}; "
                "run build_index again"
            )
    check_rows(bundle)


def check_rows(bundle: Bundle) -> None:
    """Compares the numbers of rows and dimensions with the manifest; reads only headers and
    footers.

    Raises:
        InputError: a file is missing or cut off, or a number differs.
    """
    for name in (INDEX_FILE, IDS_FILE):
        if not (bundle.folder / name).exists():
            raise InputError(f"{bundle.folder / name} is missing: run build_index again")
    index = IvfIndex.load(bundle.folder / INDEX_FILE, memory_map=True)
    try:
        rows = pq.read_metadata(bundle.folder / IDS_FILE).num_rows
    except pa.ArrowException as error:
        raise InputError(f"{bundle.folder / IDS_FILE} is cut off: run build_index again") from error
    have, want = (index.n, rows, index.dimension), bundle.manifest
    if have != (want.n, want.n, want.dimension):
        raise InputError(
            f"{bundle.folder} has {index.n} vectors of {index.dimension} dimensions and {rows} "
            f"ids, the manifest says {want.n} of {want.dimension}: run build_index again"
        )


@lru_cache(maxsize=1)
def _open_once(path: Path, sha256: str) -> IvfIndex:  # noqa: ARG001 - part of the cache's key
    return IvfIndex.load(path, memory_map=True)
