"""The table PHOTOS as a search reads it: where a photo is, its label, its owner, its bytes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from devise_lib.errors import InputError
from devise_lib.paths import absolute, from_printable
from devise_lib.storage.stores import store_files

ID = "photo_id"
COLUMNS = ("path", "label", "owner")
DELTA_LOG = "_delta_log"


@dataclass(frozen=True)
class PhotoAbout:
    """What the table says about a photo; None where it says nothing."""

    path: str | None = None
    label: str | None = None
    owner: str | None = None


class PhotoTable:
    """PHOTOS, or any other table with `photo_id`: Delta or Parquet, on a local disk."""

    def __init__(self, rows: ds.Dataset, place: str) -> None:
        """Takes the table's dataset.

        Raises:
            InputError: it has no column photo_id.
        """
        if ID not in rows.schema.names:
            raise InputError(
                f"{place} has no column {ID}; it has {', '.join(rows.schema.names)}: give the "
                "table PHOTOS of the work folder"
            )
        self._rows, self.place = rows, place

    @classmethod
    def open(cls, place: str | Path) -> "PhotoTable":
        """Opens a Delta table, a Parquet file, or a folder of these.

        Raises:
            InputError: there is no such table, or the package deltalake is missing.
        """
        path = Path(place)
        if not path.exists():
            raise InputError(
                f"there is no table {place}: give the folder of PHOTOS, or leave it out"
            )
        if (path / DELTA_LOG).exists():
            try:
                from deltalake import DeltaTable
            except ImportError as error:
                raise InputError(f"{place} is a Delta table: pip install deltalake") from error
            # Not to_pyarrow_dataset(): its threads abort one in six of the processes that end soon.
            files = DeltaTable(path).file_uris()
            return cls(ds.dataset(files, format="parquet"), str(place))
        return cls(ds.dataset(path, format="parquet"), str(place))

    def about(self, photo_ids: Iterable[str]) -> dict[str, PhotoAbout]:
        """Returns what the table says about some photos; those that it lacks are left out.

        Of several revisions the newest counts.
        """
        rows = self._newest(photo_ids, COLUMNS)
        return {
            name: PhotoAbout(**{column: row.get(column) for column in COLUMNS})
            for name, row in rows.items()
        }

    def contents(self, photo_ids: Iterable[str]) -> dict[str, bytes]:
        """Returns the bytes of some photos; those that cannot be read are left out."""
        found = {}
        for name, row in self._newest(photo_ids, ("path", "content")).items():
            content = row.get("content")
            if content is None and row.get("path"):
                content = store_files().read(absolute(from_printable(row["path"])))
            if content is not None:
                found[name] = bytes(content)
        return found

    def _newest(
        self, photo_ids: Iterable[str], columns: Sequence[str]
    ) -> dict[str, Mapping[str, Any]]:
        names = self._rows.schema.names
        wanted = [ID, *(name for name in (*columns, "revision") if name in names)]
        chosen = ds.field(ID).isin(pa.array(sorted(set(photo_ids)), pa.string()))
        rows = self._rows.to_table(columns=wanted, filter=chosen).to_pylist()
        return {row[ID]: row for row in sorted(rows, key=lambda row: row.get("revision") or 0)}
