"""The table PHOTOS as a search reads it: where a photo is, its label, its owner, its bytes."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.dataset as ds

from devise_lib.errors import InputError
from devise_lib.paths import absolute, from_printable
from devise_lib.storage.stores import store_files

ID = "photo_id"
COLUMNS = ("path", "label", "owner")
DELTA_LOG = "_delta_log"
FEW_IDS = 200  # that are compared one by one


@dataclass(frozen=True)
class PhotoAbout:
    """What the table says about a photo; None where it says nothing."""

    path: str | None = None
    label: str | None = None
    owner: str | None = None


@dataclass(frozen=True)
class _File:
    """A Parquet file, and the range of its ids; None where that is not known."""

    path: str
    least: str | None = None
    greatest: str | None = None

    def may_have(self, ids: Sequence[str]) -> bool:
        """Returns whether it may have one of some ids, which are in order."""
        if self.least is None or self.greatest is None:
            return True
        at = bisect_left(ids, self.least)
        return at < len(ids) and ids[at] <= self.greatest


class PhotoTable:
    """PHOTOS, or any other table with `photo_id`: Delta or Parquet, on a local disk."""

    def __init__(self, files: Sequence[_File], schema: pa.Schema, place: str) -> None:
        """Takes the files of a table.

        Raises:
            InputError: it has no column photo_id.
        """
        if ID not in schema.names:
            raise InputError(
                f"{place} has no column {ID}; it has {', '.join(schema.names)}: give the table "
                "PHOTOS of the work folder"
            )
        self._files, self._schema, self.place = files, schema, place

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
            return cls(*_of_delta(path), str(place))
        try:
            rows = ds.dataset(path, format="parquet")
            schemas = [each.physical_schema for each in rows.get_fragments()]
            schema = pa.unify_schemas(schemas) if schemas else rows.schema
        except (pa.ArrowException, OSError) as error:
            raise InputError(
                f"{place} is no table: want Parquet files, or a Delta table ({error})"
            ) from error
        return cls([_File(file) for file in rows.files], schema, str(place))

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
        names = self._schema.names
        wanted = [ID, *(name for name in (*columns, "revision") if name in names)]
        ids = sorted(set(photo_ids))
        files = [file.path for file in self._files if file.may_have(ids)]
        if not files or not ids:
            return {}
        # Row groups are left out by comparisons, and not by a list of ids.
        few = len(ids) <= FEW_IDS
        chosen = (
            reduce(or_, (ds.field(ID) == name for name in ids))
            if few
            else ds.field(ID).isin(pa.array(ids, pa.string()))
        )
        rows = ds.dataset(files, schema=self._schema, format="parquet")
        found = rows.to_table(columns=wanted, filter=chosen).to_pylist()
        return {row[ID]: row for row in sorted(found, key=lambda row: row.get("revision") or 0)}


def _of_delta(path: Path) -> tuple[list[_File], pa.Schema]:
    """Returns the files of a Delta table with the ranges of their ids, and its schema.

    The files are not read by deltalake itself: its threads abort one in six of the processes that
    end soon.
    """
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError
    except ImportError as error:
        raise InputError(f"{path} is a Delta table: pip install deltalake") from error
    try:
        table = DeltaTable(path)
        schema = pa.schema(table.schema().to_arrow())
        actions = pa.table(table.get_add_actions(flatten=True)).to_pydict()
    except (DeltaError, OSError) as error:
        raise InputError(f"{path} cannot be read as a Delta table: {error}") from error
    n = len(actions["path"])
    none = [None] * n
    ranges = zip(actions.get(f"min.{ID}", none), actions.get(f"max.{ID}", none), strict=True)
    files = [
        _File(str(path / unquote(name)), *ends)
        for name, ends in zip(actions["path"], ranges, strict=True)
    ]
    return files, schema
