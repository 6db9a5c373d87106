"""Bundles on a disk or a store: publishing, finding and copying them.

    {work_dir}/index/CURRENT          the name of the published bundle
    {work_dir}/index/<bundle>/        see `manifest`

A bundle is built under another name and moved when it is complete. On a store, which knows no
rename, the manifest is copied last. CURRENT is replaced at once. A reader therefore finds the old
bundle or the new one, never half of one. A bundle does not change once it is published.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from devise_lib.errors import InputError
from devise_lib.index.manifest import (
    CURVE_FILE,
    MANIFEST_FILE,
    NO_BUNDLE,
    README_FILE,
    Manifest,
)
from devise_lib.index.reader import SearchIndex
from devise_lib.index.readme import how_to_query, readme
from devise_lib.index.verify import verify_folder
from devise_lib.paths import absolute
from devise_lib.storage.copies import cached_folder, fetched_folder
from devise_lib.storage.files import folders_in
from devise_lib.storage.folders import move_folder
from devise_lib.storage.stores import clean_up, store_files

CURRENT_FILE = "CURRENT"


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

    def open(self) -> SearchIndex:
        """Returns the bundle, open and memory-mapped; a process opens it once, and a machine copies
        it once from a store.
        """
        return _open_once(self.folder)


def index_root(work_dir: str) -> str:
    """Returns the folder of the bundles, absolute because workers have other current folders."""
    return f"{absolute(work_dir)}/index"


def publish(building: str, manifest: Manifest, curve: bytes, root: str, keep: int) -> Bundle:
    """Makes a folder with the files of an index a bundle, and points CURRENT to it.

    A bundle of the same name is replaced: it had the same files, but they may be damaged.

    Args:
        building: a folder on the disk or store of `root`; it is moved.
        manifest: of the bundle.
        curve: the plot of recall and speed, as SVG.
        root: the folder of the bundles.
        keep: this many bundles stay; older ones are removed.
    """
    files = store_files()
    program = how_to_query(manifest)
    files.write(f"{building}/{CURVE_FILE}", curve)
    files.write(f"{building}/{README_FILE}", readme(manifest, program).encode())
    files.write(f"{building}/{MANIFEST_FILE}", manifest.to_json(program).encode())
    return read_bundle(publish_folder(building, manifest.bundle_name(), root, keep))


def publish_folder(building: str, name: str, root: str, keep: int) -> str:
    """Makes a complete folder the bundle of this name, and points CURRENT to it.

    Args:
        building: a folder with a manifest, on the disk or store of `root`; it is moved.
        name: of the bundle.
        root: the folder of the bundles.
        keep: this many bundles stay; older ones are removed.

    Returns:
        The folder of the bundle.
    """
    folder = f"{root}/{name}"
    move_folder(building, folder, MANIFEST_FILE)
    point_to(root, name)
    _drop_old(root, name, keep)
    return folder


def publish_next(building: str, old: Bundle, manifest: Manifest, root: str, keep: int) -> Bundle:
    """Publishes what came of another bundle, with the plot of that one; see `publish`."""
    curve = store_files().read(f"{old.folder}/{CURVE_FILE}") or b""
    return publish(building, manifest, curve, root, keep)


def drop_drafts(root: str, prefix: str, keep: str) -> None:
    """Removes what runs that were killed have left, but for one folder.

    Args:
        root: the folder of the bundles.
        prefix: how the names of these folders begin.
        keep: the path of the folder that stays.
    """
    for name in folders_in(store_files(), root) or []:
        if name.startswith(prefix) and f"{root}/{name}" != keep:
            clean_up(f"{root}/{name}")


def point_to(root: str, name: str) -> None:
    """Points CURRENT to a bundle, atomically."""
    store_files().write(f"{root}/{CURRENT_FILE}", f"{name}\n".encode())


def is_published(work_dir: str) -> bool:
    """Tells whether a work folder has an index."""
    return store_files().status(f"{index_root(work_dir)}/{CURRENT_FILE}") is not None


def read_current(work_dir: str) -> Bundle:
    """Returns the published bundle of a work folder.

    Raises:
        InputError: there is none yet, or CURRENT does not name a bundle.
    """
    root = index_root(work_dir)
    content = store_files().read(f"{root}/{CURRENT_FILE}")
    if content is None:
        raise InputError(f"no index at {root}: run build_index first, or give another work_dir")
    name = content.decode(errors="replace").strip()
    if name in ("", "..") or name != Path(name).name:
        raise InputError(f"{root}/{CURRENT_FILE} holds {name!r}, want a folder beside it")
    return read_bundle(f"{root}/{name}")


def read_bundle(folder: str) -> Bundle:
    """Returns the bundle in a folder; reads its manifest alone.

    Raises:
        InputError: the folder is no bundle, or one of another format.
    """
    path = f"{folder}/{MANIFEST_FILE}"
    content = store_files().read(path)
    if content is None:
        raise InputError(f"{folder} {NO_BUNDLE}")
    return Bundle(folder, Manifest.from_json(content, path))


def verify(bundle: Bundle) -> None:
    """Reads all files of a bundle and compares them with its manifest.

    Raises:
        InputError: a file is missing or was changed, or what is in it differs from the manifest.
    """
    with fetched_folder(bundle.folder) as folder:
        verify_folder(folder, bundle.folder)


def fetch_bundle(bundle: Bundle) -> Path:
    """Returns a local folder with the files of a bundle, without its manifest: its own, or a copy
    in this user's cache.

    Raises:
        InputError: the files are not those of the manifest.
    """
    files = bundle.manifest.files
    return cached_folder(bundle.folder, {path: about.sha256 for path, about in files.items()})


@lru_cache(maxsize=1)
def _open_once(folder: str) -> SearchIndex:
    bundle = read_bundle(folder)
    return SearchIndex(fetch_bundle(bundle), bundle.manifest)


def _drop_old(root: str, current: str, keep: int) -> None:
    """Removes all bundles but the current one and the newest others."""
    found = []
    for child in store_files().children(root):
        status = store_files().status(f"{root}/{child.name}/{MANIFEST_FILE}")
        if status and child.name != current and not child.name.startswith("."):
            found.append((status.modified_s, child.name))
    for _, name in sorted(found, reverse=True)[max(keep - 1, 0) :]:
        clean_up(f"{root}/{name}")
