"""A collection of photos that is searched: an index bundle, its words, its network, its table."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.index.manifest import GRAPH_FILE, MANIFEST_FILE, MODEL_FILE
from devise_lib.index.reader import SearchIndex
from devise_lib.numerics.hubness import nearest_means
from devise_lib.numerics.retrieval import best_columns
from devise_lib.search.answers import REASONS, Why
from devise_lib.search.photo_table import PhotoTable
from devise_lib.search.text import TextVector, candidate_terms, embed_text

if TYPE_CHECKING:
    from devise_lib.vision.networks.inference import Network

IsWanted = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
CURRENT = "CURRENT"
MOST_SEEN = 100_000  # photos that one search looks at: each has its vector decoded
PHOTOS_AT_ONCE = 64  # that the network embeds
MINUS = re.compile(r"(?<!\S)-(\w\S*)")
BANK, NEAREST = 500, 10  # photos by which hubs among words are told, as in CSLS


class Collection:
    """An open bundle with what belongs to it."""

    def __init__(self, index: SearchIndex, photos: PhotoTable | None = None) -> None:
        """Takes an open bundle and, where there is one, the table of its photos."""
        self.index, self.photos = index, photos

    @classmethod
    def open(cls, place: str, photos: str = "") -> "Collection":
        """Opens a bundle.

        Args:
            place: a bundle, a folder `index` whose CURRENT names one, a work folder, or the URI of
                a bundle.
            photos: the table of photos; "" for that of the bundle's work folder, if there is one.

        Raises:
            InputError: there is no bundle or no such table.
        """
        folder = place if "://" in place else str(find_bundle(Path(place)))
        beside = Path(folder).parent.parent / "tables" / "photos" if "://" not in folder else None
        if not photos and beside is not None and beside.exists():
            photos = str(beside)
        return cls(SearchIndex.open(folder), PhotoTable.open(photos) if photos else None)

    def embed_text(self, text: str, without: str = "") -> TextVector:
        """Returns the embedding of a text, without that of another.

        Words that follow a minus are not wanted either, as in "penguin -snow".

        Raises:
            InputError: the bundle carries no words, or none of the text's.
        """
        from devise_lib.text.tokens import words  # takes half a second

        marked = MINUS.findall(text)
        text, without = MINUS.sub(" ", text), " ".join([without, *marked])
        known, unwanted = self.index.words, words(without, numbers=True)
        # A label of many words, or with signs in it, is one term.
        wanted = [text.strip()] if text.strip() in known else words(text, numbers=True)
        if not any(term in known for term in candidate_terms(wanted)):
            known.require(wanted)
        return embed_text(wanted, known, unwanted)

    def embed_photos(self, photos: Sequence[str]) -> NDArray[np.float32]:
        """Returns the unit vectors (n, d) of photos: ids of the bundle, or paths of files.

        The vector of an id is decoded from its code, so it is as exact as the codes are.

        Raises:
            InputError: a photo is neither, or its file is no image, or the bundle has no network.
        """
        rows = [self.index.row_of(photo) for photo in photos]
        files = [photo for photo, row in zip(photos, rows, strict=True) if row is None]
        of_files = iter(self._embed_files(files) if files else ())
        vectors = [next(of_files) if row is None else self.index.vector_of(row) for row in rows]
        return np.stack(vectors) if vectors else np.empty((0, self.dimension), np.float32)

    @property
    def dimension(self) -> int:
        """The length of an embedding."""
        return self.index.manifest.dimension

    def best(self, queries: NDArray[np.float32], k: int) -> tuple[list[int], list[float]]:
        """Returns the rows of the k photos nearest to one query (1, d), and their cosines."""
        found = self.index.search(queries, min(k, self.index.manifest.n))
        rows, scores = self._by_cosine(found.rows[0][found.rows[0] >= 0], queries)
        return rows.tolist(), scores.tolist()

    def _by_cosine(
        self, rows: NDArray[np.int64], queries: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns rows in the order of their greatest cosine with a query, and these cosines.

        The scores of an index with lossy codes are no cosines: they may be above 1.
        """
        if not len(rows):
            return rows, np.empty(0, np.float32)
        cosines = (self.vectors_of(rows.tolist()) @ queries.T).max(axis=1).clip(-1, 1)
        order = np.argsort(-cosines, kind="stable")
        return rows[order], cosines[order]

    def best_wanted(
        self, queries: NDArray[np.float32], k: int, is_wanted: IsWanted, spare: int = 0
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns the best k photos of those that are wanted, by their greatest cosine with one of
        the queries.

        It looks at k + spare photos per query first. While fewer than k of them are wanted, it
        looks at twice as many, at most at MOST_SEEN or at all. A photo counts only if no photo that
        was not looked at can come before it.

        Args:
            queries: (q, d), unit L2 norm.
            k: the number of photos.
            is_wanted: tells which of some rows (r,) are wanted, (r,).
            spare: photos that are probably not wanted.

        Returns:
            Rows of the bundle and their cosines, (up to k,). There are fewer than k only where
            fewer are wanted of those that it looks at.
        """
        n = self.index.manifest.n
        most = min(n, max(MOST_SEEN, k + spare))
        number = min(k + spare, n)
        while True:
            found = self.index.search(queries, number)
            rows, scores = _best_first(found.rows, found.scores)
            if number < n:
                certain = scores >= found.scores[:, -1].max()
                rows, scores = rows[certain], scores[certain]
            places: list[int] = []
            for start in range(0, len(rows), k):  # The first photos are enough, as a rule.
                wanted = is_wanted(rows[start : start + k])
                places += (start + np.flatnonzero(wanted)).tolist()
                if len(places) >= k:
                    break
            if len(places) >= k or number == most:
                return self._by_cosine(rows[places[:k]], queries)
            number = min(2 * number, most)

    def ids_of(self, rows: Sequence[int]) -> list[str]:
        """Returns the ids of some rows of the bundle."""
        return [str(name) for name in self.index.photo_ids(np.array(rows, np.int64))]

    def vectors_of(self, rows: Sequence[int]) -> NDArray[np.float32]:
        """Returns the unit vectors (n, d) of some rows of the bundle, as exact as its codes are."""
        vectors = [self.index.vector_of(row) for row in rows]
        return np.stack(vectors) if vectors else np.empty((0, self.dimension), np.float32)

    def nearest_names(self, vector: NDArray[np.float32]) -> Why:
        """Returns the labels nearest to a vector, or words where no labels are carried."""
        if not self.index.manifest.words:
            return ()
        words = self.index.words
        return tuple(words.nearest(vector[None], REASONS, only_labels=words.labels > 0)[0])

    def shared_names(self, vector: NDArray[np.float32], row: int) -> Why:
        """Returns the labels that are near to a photo and to that of a row, with the lesser cosine
        of both.
        """
        if not self.index.manifest.words:
            return ()
        words = self.index.words
        pair = np.stack([vector, self.index.vector_of(row)])
        least = (pair @ words.vectors[: words.labels or len(words)].T).min(axis=0)
        order = best_columns(least[None], REASONS)[0].tolist()
        return tuple((words.names[each], float(least[each])) for each in order)

    def word_means(self, names: int) -> NDArray[np.float64]:
        """Returns the mean cosine of each of the first names with its nearest photos, (names,).

        These are the means of CSLS (`numerics.hubness`). The bank is a sample of the bundle.

        Args:
            names: of the bundle's words.
        """
        n = self.index.manifest.rows
        rng, size = np.random.default_rng(0), min(2 * BANK, n)  # some may be removed
        rows = rng.choice(n, size, replace=False, shuffle=False)
        bank = []
        for row in rows.tolist():
            try:
                bank.append(self.index.vector_of(row))
            except InputError:
                continue
            if len(bank) == BANK:
                break
        photos, vectors = np.stack(bank), self.index.words.vectors
        return nearest_means(photos, vectors[:names], NEAREST)

    def _embed_files(self, files: Sequence[str]) -> NDArray[np.float32]:
        from devise_lib.vision.images.decode import Refusal, decode

        for file in files:
            if not Path(file).is_file():
                raise InputError(
                    f"{file!r} is no photo of {self.index.folder}, and no file: give a photo_id of "
                    "the bundle, or the path of an image"
                )
        network = self._network
        blocks = []
        for start in range(0, len(files), PHOTOS_AT_ONCE):
            pixels = []
            for file in files[start : start + PHOTOS_AT_ONCE]:
                found = decode(Path(file).read_bytes(), network.image_size)
                if isinstance(found, Refusal):
                    raise InputError(f"{file} cannot be embedded ({found.reason}): {found.message}")
                pixels.append(found)
            blocks.append(network(np.stack(pixels))[0])
        return np.concatenate(blocks)

    @cached_property
    def _network(self) -> "Network":
        paths = [self.index.folder / name for name in (MODEL_FILE, GRAPH_FILE)]
        path = next((path for path in paths if path.exists()), None)
        if path is None:
            raise InputError(
                f"{self.index.folder} carries no network, so files cannot be looked up: build it "
                "with build_index.carry_network = true"
            )
        with _without_native_messages():
            from devise_lib.vision.networks.inference import Network  # takes seconds

            try:
                return Network(path.read_bytes())
            except InputError as error:
                raise InputError(f"{path}: {error}; run build_index again") from error


def _best_first(
    rows: NDArray[np.int64], scores: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Returns each row that was found once, with its greatest score; equal ones by row."""
    there = rows >= 0
    flat_rows, flat_scores = rows[there], scores[there]
    order = np.lexsort((flat_rows, -flat_scores))
    _, first = np.unique(flat_rows[order], return_index=True)
    kept = order[np.sort(first)]
    return flat_rows[kept], flat_scores[kept]


@contextmanager
def _without_native_messages() -> Iterator[None]:
    """Leaves out what TensorFlow's own code tells of its set-up. Its errors are exceptions."""
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def find_bundle(place: Path) -> Path:
    """Returns the bundle that a folder is, or names by CURRENT.

    Raises:
        InputError: it is none, and names none.
    """
    for root in (place, place / "index"):
        if (root / MANIFEST_FILE).exists():
            return root.resolve()
        if (root / CURRENT).exists():
            return (root / (root / CURRENT).read_text(encoding="utf-8").strip()).resolve()
    raise InputError(
        f"{place} is no index bundle: want a folder with {MANIFEST_FILE}, or one whose {CURRENT} "
        "names it; build_index writes one below {work_dir}/index"
    )
