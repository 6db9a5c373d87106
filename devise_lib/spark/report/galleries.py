"""Chooses the photos that the report shows, and collects what is said of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Row
from pyspark.sql import functions as F

from devise_lib.config.reporting import Report
from devise_lib.errors import InputError
from devise_lib.report.content import (
    Duplicates,
    Hit,
    MapPoints,
    Neighbours,
    Photo,
    SearchMaterial,
    Tag,
    TaggedPhoto,
    TextQuery,
)
from devise_lib.search.text import TextVector, embed_text
from devise_lib.spark.labels.sampling import sample_evenly
from devise_lib.spark.report.duplicate_rows import read_duplicates, show_duplicates
from devise_lib.spark.report.gallery_photos import fetch_photos, nearest
from devise_lib.spark.report.map_sample import sample_map
from devise_lib.spark.report.model_space import ModelSpace, read_space
from devise_lib.spark.report.search_words import collect_search, read_vectors, terms_of
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.text.tokens import words

DEFAULT_QUERIES = 4
TAGS = 5  # shown per photo
NEIGHBOUR_ROWS, NEIGHBOURS = 6, 6  # photos with their neighbours, and neighbours of each

Pairs = Sequence[tuple[str, float]]  # photo_id, cosine


@dataclass(frozen=True)
class Galleries:
    """The parts of the page that show photos, as fields of `report.content.Content`."""

    embedded: int
    labels: int
    unseen_labels: int
    gallery: Sequence[TaggedPhoto]
    gallery_is_unseen: bool
    queries: Sequence[TextQuery]
    neighbours: Sequence[Neighbours]
    duplicates: Duplicates | None
    map_points: MapPoints | None
    search: SearchMaterial | None


def collect_galleries(tables: Tables, config: Report, model_id: str) -> Galleries:
    """Choose the photos, then fetch all of them at once.

    Raises:
        InputError: the model has embedded no photo, or a required table is missing.
    """
    space = read_space(tables, model_id)
    chosen, is_unseen = _choose_for_tags(space, config.photos)
    tags = _read_tags(space, chosen)
    texts = config.queries or _default_queries(space)
    asked, found = _search(space, texts, config.photos)
    near = _read_neighbours(space, min(config.photos, NEIGHBOUR_ROWS))
    ids = [*tags, *near, *(i for hits in found.values() for i, _ in hits)]
    ids += [row["neighbour_id"] for rows in near.values() for row in rows]
    groups, of_groups, duplicates = read_duplicates(space)
    ids += [row["photo_id"] for row in duplicates]
    map_points = sample_map(space, config.map_photos)
    ids = list(dict.fromkeys([*ids, *(map_points.photo_ids if map_points else ())]))
    photos = fetch_photos(tables.read("photos"), space.names, ids)
    there = [photos[photo_id] for photo_id in ids if photo_id in photos]
    search = collect_search(space, texts, there, map_points)
    space.names.unpersist()
    return Galleries(
        embedded=space.embedded,
        labels=len(space.labels),
        unseen_labels=sum(not row["seen"] for row in space.labels),
        gallery=_tagged(tags, photos),
        gallery_is_unseen=is_unseen,
        queries=[_with_hits(query, found.get(query.text, []), photos, space) for query in asked],
        neighbours=_neighbours(near, photos),
        duplicates=show_duplicates(groups, of_groups, duplicates, photos),
        map_points=map_points,
        search=search,
    )


def _choose_for_tags(space: ModelSpace, n: int) -> tuple[list[str], bool]:
    """Return photos of as many unseen labels as possible, or any photos if there are none."""
    unseen = sample_evenly(space.embeddings.where("NOT truth_seen"), "truth", n).collect()
    rows = unseen or sample_evenly(space.embeddings, "label", n).collect()
    return [row["photo_id"] for row in rows], bool(unseen)


def _read_tags(space: ModelSpace, photo_ids: Sequence[str]) -> dict[str, list[Row]]:
    """Return rows of PREDICTIONS by photo, in the order of the ids."""
    predictions = space.of_model("predictions")
    if predictions is None:
        return {}
    chosen = predictions.where(F.col("photo_id").isin(list(photo_ids)) & (F.col("rank") <= TAGS))
    return _group(chosen.orderBy("rank").collect(), photo_ids)


def _read_neighbours(space: ModelSpace, n: int) -> dict[str, list[Row]]:
    """Return rows of NEIGHBOURS by photo."""
    neighbours = space.of_model("neighbours")
    if neighbours is None:
        return {}
    photo_ids = [row["photo_id"] for row in sample_evenly(space.embeddings, "truth", n).collect()]
    of_photos = neighbours.where("query_set IS NULL")
    chosen = of_photos.where(F.col("photo_id").isin(photo_ids) & (F.col("rank") <= NEIGHBOURS))
    return _group(chosen.orderBy("rank").collect(), photo_ids)


def _group(rows: Iterable[Row], photo_ids: Sequence[str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {photo_id: [] for photo_id in photo_ids}
    for row in rows:
        found[row["photo_id"]].append(row)
    return {photo_id: group for photo_id, group in found.items() if group}


def _default_queries(space: ModelSpace) -> list[str]:
    """Return names of labels: unseen ones first, and of these the ones that have photos."""
    with_vector = {row["label"]: row["term"] for row in space.labels if row["vector"]}
    unseen = [row["label"] for row in space.labels if not row["seen"]]
    order = [*space.unseen, *unseen]
    order = [label for label in dict.fromkeys(order) if label in with_vector] or list(with_vector)
    return [with_vector[label] for label in order[:DEFAULT_QUERIES]]


def _search(
    space: ModelSpace, texts: Sequence[str], n: int
) -> tuple[list[TextQuery], dict[str, Pairs]]:
    """Return the queries, and by text the best photos of those queries that have a vector."""
    asked: list[TextQuery] = []
    vectors: dict[str, NDArray[np.float32]] = {}
    known = read_vectors(space, [term for text in texts for term in terms_of(text)])
    for text in dict.fromkeys(texts):
        try:
            place = _embed_query(text, known, space)
        except InputError as error:
            asked.append(TextQuery(text, fault=str(error)))
            continue
        vectors[text] = place.vector
        asked.append(TextQuery(text, place.terms, place.unknown))
    if not vectors:
        return asked, {}
    rows = space.embeddings.select("photo_id", "embedding")
    found = nearest(rows, np.stack(list(vectors.values())), n)
    return asked, dict(zip(vectors, found, strict=True))


def _embed_query(
    text: str, known: Mapping[str, NDArray[np.float32]], space: ModelSpace
) -> TextVector:
    if not space.of_words:
        raise InputError(
            "the labels have attributes in place of word vectors, and a text has none: search by "
            'words needs embed_labels.vectors = "words"'
        )
    place = embed_text(words(text, numbers=True), known)
    if len(place.vector) != space.dimension:
        raise InputError(
            f"WORD_VECTORS has {len(place.vector)} dimensions, but the embeddings "
            f"{space.dimension}: the model was trained on other word vectors; run train_devise and "
            "embed_photos again"
        )
    return place


def _with_hits(
    query: TextQuery, pairs: Pairs, photos: Mapping[str, Photo], space: ModelSpace
) -> TextQuery:
    text = words(query.text, numbers=True)
    meant = {
        row["label"]
        for row in space.labels
        if any(words(term, numbers=True) == text for term in row["terms"])
    }
    hits = [
        Hit(photos[i], score, photos[i].label in meant if meant else None)
        for i, score in pairs
        if i in photos
    ]
    return TextQuery(query.text, query.terms, query.unknown, hits, query.fault)


def _tagged(tags: Mapping[str, Sequence[Row]], photos: Mapping[str, Photo]) -> list[TaggedPhoto]:
    return [
        TaggedPhoto(
            photos[photo_id],
            [
                Tag(row["term"], row["score"], row["seen"], row["label"] == photos[photo_id].label)
                for row in rows
            ],
        )
        for photo_id, rows in tags.items()
        if photo_id in photos
    ]


def _neighbours(
    found: Mapping[str, Sequence[Row]], photos: Mapping[str, Photo]
) -> list[Neighbours]:
    result = []
    for photo_id, rows in found.items():
        photo = photos.get(photo_id)
        if photo is None:
            continue
        hits = [
            Hit(near, row["score"], near.label == photo.label if photo.label else None)
            for row in rows
            if (near := photos.get(row["neighbour_id"]))
        ]
        result.append(Neighbours(photo, rows[0]["source"], hits))
    return result
