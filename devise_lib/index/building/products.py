"""What the steps of a build have finished: files, and a marker that is written after them.

A step whose marker is there is not done again. A marker names the plan that it belongs to, and the
size and SHA-256 of each file. So files of another build, short ones and damaged ones are found.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from devise_lib.storage.copies import WrittenFile, fetched
from devise_lib.storage.files import file_sha256
from devise_lib.storage.stores import store_files


@dataclass(frozen=True)
class Product:
    """The finished files of one step.

    Attributes:
        folder: of the build.
        name: of the step; its marker is `folder`/`name`.json.
        plan: the digest of the plan.
        files: from a file's path below the folder to its size and digest.
        values: what the step found out, such as the number of rows.
    """

    folder: str
    name: str
    plan: str
    files: Mapping[str, WrittenFile]
    values: Mapping[str, Any] = field(default_factory=dict)

    def path(self, end: str) -> str:
        """Returns the path of the step's file whose name ends so."""
        return f"{self.folder}/{self.name}{end}"

    def write(self) -> None:
        """Writes the marker; the files must be there."""
        content = {"plan": self.plan, "files": _as_dicts(self.files), "values": dict(self.values)}
        store_files().write(self.path(".json"), json.dumps(content).encode())

    @classmethod
    def read(cls, folder: str, name: str, plan: str) -> "Product | None":
        """Returns what a step of this plan has finished; None if it has not.

        A marker of another plan, one that cannot be read and one whose files lack or have another
        size count as none.
        """
        content = store_files().read(f"{folder}/{name}.json")
        if content is None:
            return None
        try:
            found = json.loads(content)
            files = {path: WrittenFile(**about) for path, about in found["files"].items()}
            product = cls(folder, name, found["plan"], files, found["values"])
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
        if product.plan != plan:
            return None
        for path, wanted in files.items():
            status = store_files().status(f"{folder}/{path}")
            if status is None or status.size != wanted.size:
                return None
        return product

    def is_whole(self) -> bool:
        """Reads all files, and tells whether their digests are those of the marker."""
        for path, wanted in self.files.items():
            with fetched(f"{self.folder}/{path}") as local:
                if file_sha256(local) != wanted.sha256:
                    return False
        return True


def _as_dicts(files: Mapping[str, WrittenFile]) -> dict[str, dict[str, Any]]:
    return {path: asdict(about) for path, about in files.items()}
