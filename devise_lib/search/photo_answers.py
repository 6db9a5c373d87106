"""Searches for photos: by a text, by a photo, by a gallery; and tags. Each says why."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.search.answers import REASONS, Answer, Hit, Why
from devise_lib.search.collection import MOST_SEEN, Collection
from devise_lib.search.galleries import gallery_queries
from devise_lib.search.tagging import best_labels
from devise_lib.search_choices import GalleryMethod

ALIKE = 20  # similar photos that tell whether a tag is usual


def find_text(collection: Collection, text: str, without: str, k: int) -> Answer:
    """Finds the photos that a text describes. Says what each of its terms adds to a score."""
    found = collection.embed_text(text, without)
    rows, scores = collection.best(found.vector[None], k)
    parts = found.query.contributions(collection.vectors_of(rows))
    hits = [
        Hit(score, photo_id, why=_parts(found.names, values))
        for photo_id, score, values in zip(
            collection.ids_of(rows), scores, parts.tolist(), strict=True
        )
    ]
    notes = [f"searched by {', '.join(found.names)}"]
    for word in found.unknown:
        near = ", ".join(collection.index.words.spelt_like(word))
        notes.append(f"ignored, since it has no vector: {word}{f' (known: {near})' * bool(near)}")
    asked = f"{text} without {without}" if without else text
    return Answer(f"photos for: {asked}", hits, notes)


def find_similar(collection: Collection, photo: str, copies: float, k: int) -> Answer:
    """Finds the photos that are like a photo of the collection, or like a file.

    Args:
        collection: to search.
        photo: an id of the collection, or the path of a file.
        copies: photos of at least this cosine are copies, and left out; above 1 for none.
        k: the number of photos.
    """
    [vector] = collection.embed_photos([photo])
    own = collection.index.row_of(photo)

    def is_wanted(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        is_new = rows != (-1 if own is None else own)
        if copies <= 1:
            is_new &= collection.vectors_of(rows.tolist()) @ vector < copies
        return is_new

    rows, scores = collection.best_wanted(vector[None], k, is_wanted, spare=1)
    kept = list(zip(rows.tolist(), scores.tolist(), strict=True))
    shared = [collection.shared_names(vector, row) for row, _ in kept]
    ids = collection.ids_of([row for row, _ in kept])
    hits = [
        Hit(score, photo_id, why=why)
        for (_, score), photo_id, why in zip(kept, ids, shared, strict=True)
    ]
    notes = [*_meaning(collection, vector), *_fewer(len(hits), k, collection)]
    return Answer(f"photos like {_short(photo)}", hits, notes, [photo])


def find_tags(
    collection: Collection,
    photos: Sequence[str],
    k: int,
    vocabulary: Literal["labels", "words"] = "labels",
    against_hubs: bool = False,
) -> Answer:
    """Tags photos with the labels, or with any word, that are nearest to them.

    Says how many of the most similar photos of the collection have the same tag among their own.

    Args:
        collection: to search.
        photos: ids of the collection, or paths of files.
        k: tags per photo.
        vocabulary: "labels", or "words" for all that the bundle carries.
        against_hubs: rank by CSLS, so that words which are near to every photo come later.
    """
    words, vectors = collection.index.words, collection.embed_photos(photos)
    number = words.labels if vocabulary == "labels" else len(words)
    if not number:
        raise InputError(f"{collection.index.folder} carries no labels: take vocabulary words")
    names, means = words.vectors[:number], collection.word_means(number) if against_hubs else None
    best, scores = best_labels(vectors, names, k, means)
    hits = []
    for photo, vector, rows, mine in zip(photos, vectors, best, scores, strict=True):
        alike, _ = collection.best(vector[None], ALIKE)
        theirs, _ = best_labels(collection.vectors_of(alike), names, k, means)
        ids = np.array(collection.ids_of(alike))
        for row, score in zip(rows.tolist(), mine.tolist(), strict=True):
            having = ids[(theirs == row).any(axis=1)]
            why = ((f"share of {len(ids)} similar photos", len(having) / len(ids)),)
            hits.append(Hit(score, photo, words.names[row], why=why, why_photos=(*having[:1],)))
    notes = [f"of {number:,} {vocabulary}"]
    if against_hubs:
        notes.append("scores are of CSLS: twice the cosine, less the mean of the nearest photos")
    return Answer("tags", hits, notes, photos)


@dataclass(frozen=True)
class Gallery:
    """Photos of a gallery.

    Attributes:
        members: ids or paths of files.
        others: photos that do not belong.
        method: how members make a query (`galleries`).
        copies: photos whose cosine with a member reaches this are copies of it, and left out.
    """

    members: Sequence[str]
    others: Sequence[str] = ()
    method: GalleryMethod = "mean"
    copies: float = 0.9999


@dataclass(frozen=True)
class Completion:
    """The photos that complete a gallery, the best first.

    Attributes:
        rows: (r,), of the bundle.
        scores: (r,), by which they are ordered.
        cosines: (r, m), with each member: why a photo was found.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    cosines: NDArray[np.float32]


def best_of_bundle(
    collection: Collection,
    queries: NDArray[np.float32],
    members: NDArray[np.float32],
    own: NDArray[np.int64],
    copies: float,
    k: int,
) -> Completion:
    """Finds the photos of a bundle that are nearest to one of the queries of a gallery.

    Args:
        collection: to search.
        queries: (c, d), by `galleries.gallery_queries`.
        members: (m, d), unit L2 norm.
        own: rows of the bundle that are left out, such as those of members.
        copies: photos whose cosine with a member reaches this are left out.
        k: the number of photos.
    """

    cosines: dict[int, NDArray[np.float32]] = {}  # Decoding a row takes longer than the search.

    def is_wanted(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        others = rows[~np.isin(rows, own)].tolist()
        missing = [row for row in others if row not in cosines]
        cosines.update(zip(missing, collection.vectors_of(missing) @ members.T, strict=True))
        fresh = [row for row in others if cosines[row].max(initial=-1) < copies]
        return np.isin(rows, fresh)

    rows, scores = collection.best_wanted(queries, k, is_wanted, spare=len(own))
    found = [cosines[row] for row in rows.tolist()]
    return Completion(rows, scores, np.stack(found) if found else np.empty((0, len(members)), "f4"))


def complete_gallery(collection: Collection, gallery: Gallery, k: int) -> Answer:
    """Finds photos that belong to a gallery. Says which member each of them is nearest to."""
    members = collection.embed_photos(gallery.members)
    others = collection.embed_photos(gallery.others)
    queries = gallery_queries(members, others, gallery.method)
    every = (*gallery.members, *gallery.others)
    own = [row for photo in every if (row := collection.index.row_of(photo)) is not None]
    found = best_of_bundle(collection, queries, members, np.array(own, np.int64), gallery.copies, k)
    ids = collection.ids_of(found.rows.tolist())
    names = [_short(member) for member in gallery.members]
    hits = [
        Hit(score, photo, why=_greatest(names, cosines))
        for photo, score, cosines in zip(
            ids, found.scores.tolist(), found.cosines.tolist(), strict=True
        )
    ]
    notes = [f"by the {gallery.method.replace('_', ' ')} of {_count(members)}"]
    if gallery.others:
        notes.append(f"away from what does not belong: {_count(others)}")
    notes += _fewer(len(hits), k, collection)
    return Answer("photos that complete the gallery", hits, notes, every)


def _parts(names: Sequence[str], values: Sequence[float]) -> Why:
    """Returns the greatest parts of a score, and the sum of all others: the parts sum up to it."""
    chosen = _greatest(names, values)
    rest = sum(values) - sum(value for _, value in chosen)
    return (*chosen, ("others", rest)) if len(chosen) < len(names) else chosen


def _fewer(found: int, k: int, collection: Collection) -> list[str]:
    """Returns the note that tells why there are fewer photos than were asked for."""
    if found == k:
        return []
    n = collection.index.manifest.n
    seen = f"the {MOST_SEEN:,} nearest" if n > MOST_SEEN else f"all {n:,} photos"
    return [f"only {found} photos are left of {seen}: others are asked with, or copies"]


def _greatest(names: Sequence[str], values: Sequence[float]) -> Why:
    """Returns the names with the greatest values, and the least one if it is negative."""
    order = sorted(range(len(names)), key=lambda each: -values[each])
    chosen = order[:REASONS]
    if order and order[-1] not in chosen and values[order[-1]] < 0:
        chosen.append(order[-1])
    return tuple((names[each], values[each]) for each in chosen)


def _meaning(collection: Collection, vector: NDArray[np.float32]) -> list[str]:
    names = [name for name, _ in collection.nearest_names(vector)]
    return [f"the photo is nearest to {', '.join(names)}"] if names else []


def _count(photos: NDArray[np.float32]) -> str:
    return "1 photo" if len(photos) == 1 else f"{len(photos)} photos"


def _short(photo: str) -> str:
    return Path(photo).name if "/" in photo else photo
