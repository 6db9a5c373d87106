"""Chooses the photos that the report shows, and collects what is said of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from devise_lib.config.reporting import Report
from devise_lib.errors import InputError
from devise_lib.numerics.vectors import stack_rows
from devise_lib.report.content import (
    Hit,
    MapPoints,
    Neighbours,
    Photo,
    Tag,
    TaggedPhoto,
    TextQuery,
)
from devise_lib.search.text import TextVector, candidate_terms, embed_text
from devise_lib.spark.labels.lookup import dedupe_labels, resolve_aliases
from devise_lib.spark.labels.sampling import choose_labels, sample_evenly
from devise_lib.spark.labels.word_space import has_words, id_of_labels
from devise_lib.spark.report.gallery_photos import (
    best_photos,
    fetch_photos,
    with_truth,
)
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.text.tokens import words

DEFAULT_QUERIES = 4
TAGS = 5  # shown per photo
NEIGHBOUR_ROWS, NEIGHBOURS = 6, 6  # photos with their neighbours, and neighbours of each
MAP_LABELS = 8  # labels with photos on the map, half of them unseen if there are enough

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
    map_points: MapPoints | None


@dataclass(frozen=True)
class _Space:
    """What the parts are made from: photos of one model with their truth, and the labels."""

    tables: Tables
    model_id: str
    names: DataFrame
    embeddings: DataFrame
    labels: Sequence[Row]  # label, terms, term, seen, vector
    dimension: int
    of_words: bool  # otherwise of attributes
    embedded: int
    unseen: Sequence[str]  # labels that have photos, those with most photos first
    seen: Sequence[str]

    def of_model(self, table: str) -> DataFrame | None:
        """Return the rows of a table for this model; None if the table does not exist yet."""
        if not self.tables.exists(table):
            return None
        return self.tables.of_model(table, self.model_id)


def collect_galleries(tables: Tables, config: Report, model_id: str) -> Galleries:
    """Choose the photos, then fetch all of them at once.

    Raises:
        InputError: the model has embedded no photo, or a required table is missing.
    """
    space = _read_space(tables, model_id)
    chosen, is_unseen = _choose_for_tags(space, config.photos)
    tags = _read_tags(space, chosen)
    asked, found = _search(space, config.queries or _default_queries(space), config.photos)
    near = _read_neighbours(space, min(config.photos, NEIGHBOUR_ROWS))
    ids = [*tags, *near, *(i for hits in found.values() for i, _ in hits)]
    ids += [row["neighbour_id"] for rows in near.values() for row in rows]
    photos = fetch_photos(tables.read("photos"), space.names, ids)
    map_points = _map_points(space, config.map_photos)
    space.names.unpersist()
    return Galleries(
        embedded=space.embedded,
        labels=len(space.labels),
        unseen_labels=sum(not row["seen"] for row in space.labels),
        gallery=_tagged(tags, photos),
        gallery_is_unseen=is_unseen,
        queries=[_with_hits(query, found.get(query.text, []), photos, space) for query in asked],
        neighbours=_neighbours(near, photos),
        map_points=map_points,
    )


def _read_space(tables: Tables, model_id: str) -> _Space:
    names = resolve_aliases(tables.read("labels")).persist()  # as many as there are labels
    embeddings = with_truth(tables.of_model("embeddings", model_id), names)
    first = embeddings.first()
    if first is None:
        raise InputError(f"EMBEDDINGS has no photo of model {model_id}: run embed_photos with it")
    labels = dedupe_labels(tables.read("labels"))
    counts = embeddings.groupBy("truth", "truth_seen").count().collect()  # as many as labels
    counts.sort(key=lambda row: (-row["count"], row["truth"] or ""))
    return _Space(
        tables,
        model_id,
        names,
        embeddings,
        labels.select("label", "terms", "term", "seen", "vector").orderBy("label").collect(),
        len(first["embedding"]),
        has_words(id_of_labels(labels)),
        sum(row["count"] for row in counts),
        [row["truth"] for row in counts if row["truth_seen"] is False],
        [row["truth"] for row in counts if row["truth_seen"]],
    )


def _choose_for_tags(space: _Space, n: int) -> tuple[list[str], bool]:
    """Return photos of as many unseen labels as possible, or any photos if there are none."""
    unseen = sample_evenly(space.embeddings.where("NOT truth_seen"), "truth", n).collect()
    rows = unseen or sample_evenly(space.embeddings, "label", n).collect()
    return [row["photo_id"] for row in rows], bool(unseen)


def _read_tags(space: _Space, photo_ids: Sequence[str]) -> dict[str, list[Row]]:
    """Return rows of PREDICTIONS by photo, in the order of the ids."""
    predictions = space.of_model("predictions")
    if predictions is None:
        return {}
    chosen = predictions.where(F.col("photo_id").isin(list(photo_ids)) & (F.col("rank") <= TAGS))
    return _group(chosen.orderBy("rank").collect(), photo_ids)


def _read_neighbours(space: _Space, n: int) -> dict[str, list[Row]]:
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


def _default_queries(space: _Space) -> list[str]:
    """Return names of labels: unseen ones first, and of these the ones that have photos."""
    with_vector = {row["label"]: row["term"] for row in space.labels if row["vector"]}
    unseen = [row["label"] for row in space.labels if not row["seen"]]
    order = [*space.unseen, *unseen]
    order = [label for label in dict.fromkeys(order) if label in with_vector] or list(with_vector)
    return [with_vector[label] for label in order[:DEFAULT_QUERIES]]


def _search(
    space: _Space, texts: Sequence[str], n: int
) -> tuple[list[TextQuery], dict[str, Pairs]]:
    """Return the queries, and by text the best photos of those queries that have a vector."""
    asked: list[TextQuery] = []
    vectors: dict[str, NDArray[np.float32]] = {}
    known = _word_vectors(space, [term for text in texts for term in _terms(text)])
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
    found = best_photos(space.embeddings, np.stack(list(vectors.values())), n)
    return asked, dict(zip(vectors, found, strict=True))


def _embed_query(text: str, known: Mapping[str, NDArray[np.float32]], space: _Space) -> TextVector:
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


def _terms(text: str) -> list[str]:
    return candidate_terms(words(text, numbers=True))


def _word_vectors(space: _Space, terms: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    if not space.tables.exists("word_vectors"):
        return {}
    rows = space.tables.read("word_vectors").where(F.col("word").isin(list(dict.fromkeys(terms))))
    return {
        row["word"]: np.array(row["vector"], np.float32)
        for row in rows.select("word", "vector").collect()
    }


def _with_hits(
    query: TextQuery, pairs: Pairs, photos: Mapping[str, Photo], space: _Space
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


def _map_points(space: _Space, n: int) -> MapPoints | None:
    """Return all labels with a vector, and photos of the labels that have most photos."""
    labels = [row for row in space.labels if row["vector"]]
    chosen = choose_labels(space.unseen, space.seen, MAP_LABELS)
    name_of = {row["label"]: row["term"] or row["terms"][0] for row in space.labels}
    of_chosen = space.embeddings.where(F.col("truth").isin(chosen))
    photos = sorted(
        sample_evenly(of_chosen, "truth", n).select("truth", "embedding", "photo_id").collect(),
        key=lambda row: (chosen.index(row["truth"]), row["photo_id"]),
    )
    if not labels or not photos or len(labels[0]["vector"]) != space.dimension:
        return None
    return MapPoints(
        names=[name_of[row["label"]] for row in labels],
        seen=[row["seen"] for row in labels],
        vectors=stack_rows([row["vector"] for row in labels], space.dimension),
        photo_labels=[name_of[row["truth"]] for row in photos],
        embeddings=stack_rows([row["embedding"] for row in photos], space.dimension),
    )
