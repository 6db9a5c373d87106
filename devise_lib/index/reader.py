"""Searching a bundle: by vectors, by a photo of it, or by words.

It needs faiss and numpy alone for a bundle on a local disk.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.index.index_file import IndexFile, imbalance_of, map_array
from devise_lib.index.manifest import (
    IDS_FILE,
    INDEX_FILE,
    LISTS_FILE,
    MANIFEST_FILE,
    NO_BUNDLE,
    REMOVED_FILE,
    Manifest,
)
from devise_lib.index.places import find_id
from devise_lib.index.remote import store_packages
from devise_lib.index.results import Found, nothing, padded
from devise_lib.index.selection import Among, Selector, selectors
from devise_lib.index.settings import SearchSettings
from devise_lib.index.vocabulary import Vocabulary
from devise_lib.numerics.retrieval import drop_self_matches, merge_top_k
from devise_lib.numerics.vectors import FloatArray, l2_normalize

NORM_TOLERANCE = 1e-3


class SearchIndex:
    """An open bundle. Threads may search it at once."""

    def __init__(self, folder: Path, manifest: Manifest, memory_map: bool = True) -> None:
        """Opens the files of a bundle on a local disk.

        Args:
            folder: of the bundle.
            manifest: of the bundle.
            memory_map: leave the index on the disk, and read what a search needs. Processes of a
                machine then share the pages. Without it, the index is loaded.

        Raises:
            InputError: a file is missing or is no index.
        """
        self.folder, self.manifest = folder, manifest
        self._indexes = [
            IndexFile(folder / segment.name / INDEX_FILE, memory_map)
            for segment in manifest.segments
        ]
        self._ids = [
            map_array(folder / segment.name / IDS_FILE, memory_map) for segment in manifest.segments
        ]
        names = [segment.name for segment in manifest.segments]
        self._lists = [map_array(folder / name / LISTS_FILE, memory_map=True) for name in names]
        self._removed = np.zeros(0, np.int64)
        if manifest.removed:
            self._removed = np.load(folder / REMOVED_FILE)
        self._allowed: Sequence[Selector | None] = [None] * len(self._indexes)
        if sum(segment.listed for segment in manifest.segments) != manifest.n:
            found = np.ones(manifest.rows, np.bool_)
            found[self._removed] = False
            self._allowed = selectors(found, manifest)

    @classmethod
    def open(cls, folder: str | Path, memory_map: bool = True) -> "SearchIndex":
        """Opens a bundle.

        Args:
            folder: of the bundle: a local path, or a URI of a store, whose files are then copied
                to a cache of this machine (this wants fsspec and the store's package).
            memory_map: as in the constructor.

        Raises:
            InputError: it is no bundle, or a file is missing.
        """
        if "://" in str(folder):
            with store_packages(str(folder)):
                from devise_lib.index.bundle import fetch_bundle, read_bundle

            bundle = read_bundle(str(folder))
            return cls(fetch_bundle(bundle), bundle.manifest, memory_map)
        local = Path(folder)
        path = local / MANIFEST_FILE
        if not path.exists():
            raise InputError(f"{folder} {NO_BUNDLE}")
        return cls(local, Manifest.from_json(path.read_bytes(), str(path)), memory_map)

    def search(
        self,
        queries: FloatArray,
        k: int,
        settings: SearchSettings | None = None,
        among: Among | NDArray[Any] | None = None,
    ) -> Found:
        """Returns the k photos nearest to each query.

        Args:
            queries: (q, d), of unit L2 norm and of the bundle's model.
            k: the number of results per query, at least 1.
            settings: of the search; None for those that keep the promise.
            among: what may be found: rows of the bundle, or a boolean per row, or what `only`
                returned for them, which saves time where several searches have the same. None for
                all. The fewer they are, the more lists are searched, unless settings are given.

        Raises:
            InputError: queries are of another length or norm, or k or a row is out of range.
        """
        queries = np.asarray(queries)
        self._check(queries, k)
        if among is not None and not isinstance(among, Among):
            among = self.only(np.asarray(among))
        share = among.share if among else 1.0
        settings = settings or self.manifest.settings.for_share(share, self.manifest.nlist)
        allowed = among.selectors if among else self._allowed
        wanted = min(k, among.count) if among else k
        if not wanted:
            return nothing(len(queries), k)
        found = self._search(queries, wanted, settings, allowed)
        short = found.rows[:, -1] < 0
        if short.any() and settings.nprobe < self.manifest.nlist:  # The lists hold too few.
            every = replace(settings, nprobe=self.manifest.nlist)
            rest = self._search(queries[short], wanted, every, allowed)
            found.rows[short], found.scores[short] = rest.rows, rest.scores
        return padded(found, k)

    def _search(
        self,
        queries: FloatArray,
        k: int,
        settings: SearchSettings,
        allowed: Sequence[Selector | None],
    ) -> Found:
        parts = []
        for index, segment, selector in zip(
            self._indexes, self.manifest.segments, allowed, strict=True
        ):
            rows, scores = index.search(queries, k, settings, selector.faiss if selector else None)
            parts.append((np.where(rows >= 0, rows + segment.first_row, rows), scores))
        if len(parts) == 1:
            return Found(*parts[0])
        return Found(*merge_top_k(parts, k))

    def search_all(self, queries: FloatArray, k: int) -> Found:
        """Returns the k photos nearest to each query by their codes, among all lists.

        Raises:
            InputError: as in `search`.
        """
        every = self.manifest.nlist
        settings = self.manifest.settings
        factor = 4 * settings.k_factor  # ranks more of them anew
        ef_search = 2 * every if settings.ef_search else 0
        return self.search(queries, k, SearchSettings(every, ef_search, factor))

    @property
    def fits_gpu(self) -> bool:
        """Whether GPUs can search the bundle: they know few kinds of codes, and no removed rows."""
        is_whole = all(selector is None for selector in self._allowed)
        return is_whole and all(index.fits_gpu for index in self._indexes)

    def use_gpu(self, device: int | None) -> None:
        """Lets a GPU search from now on, but for filters; None is the processor again."""
        for index in self._indexes:
            index.use_gpu(device)

    def reopen(self) -> None:
        """Gives back the pages that a mapped index has read. No thread may search meanwhile."""
        for index in self._indexes:
            index.reopen()

    def imbalance(self) -> float:
        """Returns how unequal the lists of all segments are together; 1 if all are equal."""
        return imbalance_of(np.sum([index.sizes() for index in self._indexes], axis=0))

    def search_photo(self, photo_id: str, k: int, settings: SearchSettings | None = None) -> Found:
        """Returns the k photos nearest to a photo of the bundle, without itself; arrays (1, k).

        The photo's vector is decoded from its code, so it is as exact as the codes are.

        Raises:
            InputError: the photo is not in the bundle, or it has fewer than k others.
        """
        row = self.row_of(photo_id)
        if row is None:
            raise InputError(f"{photo_id!r} is not in the index {self.folder}")
        if not 1 <= k < self.manifest.n:
            raise InputError(f"want k from 1 to {self.manifest.n - 1}, the other photos; got {k}")
        found = self.search(self.vector_of(row)[None], k + 1, settings)
        rows, scores = drop_self_matches(found.rows, found.scores, np.array([row]))
        return Found(rows, scores)

    def search_words(
        self, words: Sequence[str], k: int, settings: SearchSettings | None = None
    ) -> Found:
        """Returns the k photos nearest to the mean of the vectors of some words; arrays (1, k).

        Args:
            words: labels or words that the bundle carries, such as ["snow", "leopard"].
            k: the number of results.
            settings: as in `search`.

        Raises:
            InputError: the bundle carries no words, or lacks one of these.
        """
        return self.search(self.words.mean(words)[None], k, settings)

    @cached_property
    def words(self) -> Vocabulary:
        """The labels and words that the bundle carries; InputError if it carries none."""
        if not self.manifest.words:
            raise InputError(f"{self.folder} carries no words: build it with carry_words above 0")
        return Vocabulary.open(self.folder, self.manifest.labels)

    def photo_ids(self, rows: NDArray[np.int64]) -> NDArray[np.str_]:
        """Returns the photo_id of each row, in the shape of `rows`; "" for -1."""
        flat = rows.ravel()
        found = np.full(len(flat), "", dtype=object)
        for segment, ids in zip(self.manifest.segments, self._ids, strict=True):
            here = (flat >= segment.first_row) & (flat < segment.first_row + segment.rows)
            names = ids[flat[here] - segment.first_row]
            found[here] = [name.decode() for name in names.tolist()]
        return found.reshape(rows.shape)

    def row_of(self, photo_id: str) -> int | None:
        """Returns the row of a photo; None if the bundle lacks it, or it is removed."""
        pairs = zip(reversed(self.manifest.segments), reversed(self._ids), strict=True)
        for segment, ids in pairs:
            for start, stop in segment.ranges:
                at = find_id(ids, photo_id, start, stop)
                if at is not None and not self._is_removed(segment.first_row + at):
                    return segment.first_row + at
        return None

    def vector_of(self, row: int) -> NDArray[np.float32]:
        """Returns the unit vector (d,) that the code of a row stands for.

        Raises:
            InputError: there is no such row, or its vector was folded out.
        """
        parts = zip(self.manifest.segments, self._indexes, self._lists, strict=True)
        for segment, index, lists in parts:
            if 0 <= row - segment.first_row < segment.rows:
                local = row - segment.first_row
                if lists[local] < 0:
                    raise InputError(f"row {row} of {self.folder} is removed")
                return l2_normalize(index.decode(local, int(lists[local]))[None])[0]
        raise InputError(f"{self.folder} has no row {row}: it has {self.manifest.rows}")

    def only(self, among: NDArray[Any]) -> Among:
        """Returns a filter for searches that find some photos alone.

        Args:
            among: (m,), rows of the bundle; or (rows,), a boolean for each row.

        Raises:
            InputError: there is no such row, or another number of booleans.
        """
        rows = self.manifest.rows
        if among.dtype == np.bool_:
            if len(among) != rows:
                raise InputError(f"want a boolean for each of {rows} rows; got {len(among)}")
            allowed = among.copy()
        else:
            if len(among) and not (0 <= among.min() <= among.max() < rows):
                raise InputError(
                    f"want rows in [0, {rows}) to search among; got {among.min()} to {among.max()}"
                )
            allowed = np.zeros(rows, np.bool_)
            allowed[among.astype(np.int64)] = True
        allowed[self._removed] = False
        count = int(np.count_nonzero(allowed))
        share = count / max(self.manifest.n, 1)
        return Among(share, count, selectors(allowed, self.manifest))

    def _is_removed(self, row: int) -> bool:
        at = int(np.searchsorted(self._removed, row))
        return at < len(self._removed) and int(self._removed[at]) == row

    def _check(self, queries: FloatArray, k: int) -> None:
        dimension = self.manifest.dimension
        if queries.ndim != 2 or queries.shape[1] != dimension:
            raise InputError(f"want queries (q, {dimension}), got {queries.shape}")
        if not 1 <= k <= self.manifest.n:
            raise InputError(f"want k from 1 to {self.manifest.n}, the photos; got {k}")
        norms = np.linalg.norm(queries, axis=1)
        wrong = np.flatnonzero(~(np.abs(norms - 1) <= NORM_TOLERANCE))
        if len(wrong):
            raise InputError(
                f"want queries of unit L2 norm, but query {wrong[0]} has {norms[wrong[0]]:.4g}: "
                "divide each by its norm"
            )
