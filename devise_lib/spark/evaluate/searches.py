"""How good the searches of `devise_lib.search` are, on a sample of test photos, beside controls.

A photo is relevant to a text if it has the text's label, and to another photo if both have one
label. Galleries and photographers are made of photos by their labels, because few collections say
which photos belong together. So the figures tell how well a search finds a label, and no more.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.hubness import csls, nearest_means
from devise_lib.numerics.relevance import area_under_curve, chance_ndcg, rank_measures
from devise_lib.numerics.retrieval import best_columns
from devise_lib.numerics.vectors import l2_normalize, random_unit_vector
from devise_lib.search.galleries import best_of, gallery_queries
from devise_lib.search.photographers import exposure_share, rank_owners
from devise_lib.search.submissions import brief_scores
from devise_lib.search_choices import GalleryMethod, OwnerPooling
from devise_lib.spark.evaluate.searched_photos import ALL, CHANCE, MODEL, SearchedPhotos
from devise_lib.spark.evaluate.tags import measure_tags
from devise_lib.spark.tables.metrics_table import Metric

K = 10  # length of the lists
QUERIES = 500  # photos that are looked up, at most
SEEDS = (1, 2, 5, 10)  # photos of a gallery that are given
THEME = 3  # photos of each theme of a gallery of two
SUBMITTED = 10  # photos of each kind that are submitted for a brief
PHOTOS_OF_AN_OWNER = 50
COPY = 0.99999  # the cosine from which on a photo is the query itself
TEXT_BANK, NEAREST_TEXTS = 2_000, 10  # words by which hubs among photos are told, as in CSLS
FEATURES, RANDOM = "features", "random_vectors"
GRADED = "graded_ndcg"


def measure_searches(photos: SearchedPhotos) -> list[Metric]:
    """Returns precision, recall, MAP, NDCG and the reciprocal rank of each search, and controls.

    The candidate set names the search. Chance is the precision of a random order.
    """
    if len(photos.labels) < 2:
        return []
    return [
        *_by_text(photos),
        *_by_photo(photos),
        *_galleries(photos),
        *_galleries_of_two_themes(photos),
        *_submissions(photos),
        *_photographers(photos),
        *measure_tags(photos),
    ]


def _by_text(photos: SearchedPhotos) -> Iterator[Metric]:
    there = [label for label in np.unique(photos.labels).tolist() if label in photos.vectors]
    for name, is_seen in (("seen", True), ("unseen", False)):
        asked = [label for label in there if (label in photos.seen) == is_seen]
        if not asked:
            continue
        d = photos.embeddings.shape[1]
        queries = {
            MODEL: np.stack([photos.vectors[label] for label in asked]),
            RANDOM: np.stack([random_unit_vector(label, d, photos.seed) for label in asked]),
        }
        relevant = np.array(asked)[:, None] == photos.labels
        search = f"text_to_image_{name}"
        all_scores = {m: v.astype(np.float32) @ photos.embeddings.T for m, v in queries.items()}
        if (means := _means_with_texts(photos, queries[MODEL])) is not None:
            all_scores[f"{MODEL}+csls"] = csls(all_scores[MODEL], means)
        for method, scores in all_scores.items():
            yield from _rows(method, search, scores, relevant)
        yield _chance(search, relevant)
        yield from _graded(photos, asked, search, all_scores)


def _means_with_texts(
    photos: SearchedPhotos, asked: NDArray[np.float32]
) -> NDArray[np.float64] | None:
    """Returns the mean cosine of each photo with its nearest texts, (n,), by which CSLS ranks hubs
    among photos lower; None without words.

    The texts are a sample of words, without those that are asked for.
    """
    if photos.vocabulary is None:
        return None
    rng = np.random.default_rng(photos.seed)
    words = photos.vocabulary.vectors
    bank = words[rng.permutation(len(words))[:TEXT_BANK]]
    bank = bank[(bank @ asked.T).max(axis=1) < COPY]
    return nearest_means(bank, photos.embeddings, NEAREST_TEXTS) if len(bank) else None


def _graded(
    photos: SearchedPhotos,
    asked: Sequence[str],
    search: str,
    all_scores: Mapping[str, NDArray[np.float32]],
) -> Iterator[Metric]:
    """Yields NDCG where photos of the label gain 2, and those of labels near to it gain 1.

    Only texts whose label is in the hierarchy are asked.
    """
    rows = [row for row, label in enumerate(asked) if label in photos.near]
    if not rows:
        return
    gains = np.stack([np.isin(photos.labels, [*photos.near[asked[row]]]) for row in rows])
    gains = gains + 1.0 * (np.array(asked)[rows][:, None] == photos.labels)
    k = min(K, len(photos.labels))
    best = -np.sort(-gains, axis=1)[:, :k]
    for method, scores in all_scores.items():
        columns = best_columns(scores[rows], k)
        found = rank_measures(
            np.take_along_axis(gains, columns, axis=1), (gains > 0).sum(axis=1), best
        )
        yield Metric(method, ALL, search, GRADED, k, float(found.ndcg.mean()))
    yield Metric(CHANCE, ALL, search, GRADED, k, float(chance_ndcg(gains, k).mean()))


def _by_photo(photos: SearchedPhotos) -> Iterator[Metric]:
    rng = np.random.default_rng(photos.seed)
    asked = rng.permutation(len(photos.labels))[:QUERIES]
    relevant = photos.labels[asked][:, None] == photos.labels
    relevant[np.arange(len(asked)), asked] = False
    if not relevant.any():
        return
    noise = _noise(photos)
    for method, space in ((MODEL, photos.embeddings), (FEATURES, photos.features), (RANDOM, noise)):
        scores = space[asked] @ space.T
        scores[np.arange(len(asked)), asked] = -np.inf
        is_copy = scores >= COPY  # It would be found by any model.
        scores[is_copy] = -np.inf
        yield from _rows(method, "similar_photos", scores, relevant & ~is_copy)
    yield _chance("similar_photos", relevant[relevant.any(axis=1)])


def _noise(photos: SearchedPhotos) -> NDArray[np.float32]:
    """Returns a random unit vector for each photo, (n, d)."""
    rng = np.random.default_rng([photos.seed, 1])
    return l2_normalize(rng.standard_normal(photos.embeddings.shape, dtype=np.float32))


def _galleries(photos: SearchedPhotos) -> Iterator[Metric]:
    for seeds in SEEDS:
        made = [
            (members[:seeds], members[seeds:])
            for members in _members(photos)
            if len(members) > seeds
        ]
        yield from _completed(photos, made, f"gallery_of_{seeds}", "mean")


def _galleries_of_two_themes(photos: SearchedPhotos) -> Iterator[Metric]:
    groups = [members for members in _members(photos) if len(members) > THEME]
    made = [
        (np.concatenate([a[:THEME], b[:THEME]]), np.concatenate([a[THEME:], b[THEME:]]))
        for a, b in zip(groups[::2], groups[1::2], strict=False)
    ]
    for method in get_args(GalleryMethod):
        yield from _completed(photos, made, "gallery_of_two_themes", method)


def _completed(
    photos: SearchedPhotos,
    made: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    name: str,
    method: GalleryMethod,
) -> Iterator[Metric]:
    """Yields how well galleries are completed: the given photos, and those that are hidden."""
    if not made:
        return
    spaces = {f"{MODEL}+{method}": photos.embeddings}
    if method == "mean":
        spaces[RANDOM] = _noise(photos)
    for space_name, space in spaces.items():
        scores = np.empty((len(made), len(photos.labels)), np.float32)
        relevant = np.zeros(scores.shape, np.bool_)
        for row, (given, hidden) in enumerate(made):
            queries = gallery_queries(space[given], method=method, seed=photos.seed)
            scores[row] = best_of(queries, space)
            relevant[row, hidden] = True
            # A copy of a given photo would be found by any model.
            is_given = (space @ space[given].T).max(axis=1) >= COPY
            scores[row, is_given], relevant[row, is_given] = -np.inf, False
        yield from _rows(space_name, name, scores, relevant)
        if space_name == RANDOM:
            yield _chance(name, relevant)


def _submissions(photos: SearchedPhotos) -> Iterator[Metric]:
    """A third of what is submitted fits; a third has the nearest other label; a third is any."""
    rng = np.random.default_rng(photos.seed)
    groups = {photos.labels[each[0]]: each for each in _members(photos)}
    briefs = [n for n, each in groups.items() if n in photos.vectors and len(each) > 2]
    if len(briefs) < 2:
        return
    texts = np.stack([photos.vectors[label] for label in briefs])
    cosines = texts @ texts.T
    np.fill_diagonal(cosines, -np.inf)
    areas: dict[str, list[float]] = {}
    for place, label in enumerate(briefs):
        examples, fitting = np.split(groups[label][: 2 + SUBMITTED], [2])
        other = groups[briefs[int(cosines[place].argmax())]][:SUBMITTED]
        elsewhere = np.flatnonzero(photos.labels != label)
        any_other = rng.choice(elsewhere, min(SUBMITTED, len(elsewhere)), replace=False)
        submitted = np.concatenate([fitting, other, any_other])
        vectors, fits = photos.embeddings[submitted], photos.labels[submitted] == label
        shown = photos.embeddings[examples]
        for method, score in (
            (f"{MODEL}+text", brief_scores(vectors, photos.vectors[label])),
            (f"{MODEL}+examples", brief_scores(vectors, None, shown)),
            (f"{MODEL}+text_and_examples", brief_scores(vectors, photos.vectors[label], shown)),
            (RANDOM, rng.standard_normal(len(submitted))),
        ):
            areas.setdefault(method, []).append(area_under_curve(score, fits))
    for method, values in areas.items():
        yield Metric(method, ALL, "submissions", "area_under_curve", None, float(np.mean(values)))


def _photographers(photos: SearchedPhotos) -> Iterator[Metric]:
    """Each photographer takes half of his photos of one label, and the others of any label.

    The query is the mean of some photos of his label that are not among those that are ranked.
    """
    rng = np.random.default_rng(photos.seed)
    number = len(photos.labels) // PHOTOS_OF_AN_OWNER
    groups = [each for each in _members(photos) if len(each) >= 6]
    rng.shuffle(groups)
    groups = groups[:number]
    if len(groups) < 2:
        return
    owners: NDArray[np.object_] = np.full(len(photos.labels), None, object)
    asked = []
    for name, members in enumerate(groups):
        held_out = max(1, len(members) // 5)
        asked.append(members[:held_out])
        owners[members[held_out:]] = str(name)
    hidden = np.concatenate(asked)
    free = np.setdiff1d(np.flatnonzero(owners == None), hidden)  # noqa: E711 - elementwise
    owners[free] = [str(each) for each in rng.integers(0, len(groups), len(free))]
    ranked = np.flatnonzero(owners != None)  # noqa: E711
    names = owners[ranked].tolist()
    most = sorted(set(names), key=lambda each: (-names.count(each), each))
    for pooling in get_args(OwnerPooling):
        orders = []
        for query in asked:
            [vector] = gallery_queries(photos.embeddings[query])
            scores = photos.embeddings[ranked] @ vector
            orders.append([each.owner for each in rank_owners(scores, names, pooling=pooling)])
        yield from _of_owners(f"{MODEL}+{pooling}", orders)
        shown = exposure_share([order[:K] for order in orders], len(most))
        yield Metric(f"{MODEL}+{pooling}", ALL, "photographers", "exposure_share", K, shown)
    yield from _of_owners("most_photos", [most] * len(asked))


def _of_owners(method: str, orders: Sequence[Sequence[str]]) -> Iterator[Metric]:
    ranks = np.array([order.index(str(name)) + 1 for name, order in enumerate(orders)])
    mean = float(np.mean(1 / ranks))
    yield Metric(method, ALL, "photographers", "reciprocal_rank", None, mean)
    yield Metric(method, ALL, "photographers", "first", 1, float(np.mean(ranks == 1)))


def _members(photos: SearchedPhotos) -> list[NDArray[np.int64]]:
    """Returns the photos of each label, in a random order."""
    rng = np.random.default_rng(photos.seed)
    order = rng.permutation(len(photos.labels))
    return [order[photos.labels[order] == label] for label in np.unique(photos.labels)]


def _rows(
    method: str, name: str, scores: NDArray[np.float32], relevant: NDArray[np.bool_]
) -> Iterator[Metric]:
    """Yields the measures of one search: the means over the queries that have a relevant photo.

    Args:
        method: that gave the scores.
        name: of the search.
        scores: (q, n); photos of -inf are not found.
        relevant: (q, n).
    """
    asked = relevant.any(axis=1)
    if not asked.any():
        return
    scores, relevant = scores[asked], relevant[asked]
    k = min(K, scores.shape[1])
    columns = best_columns(scores, k)
    gains = np.take_along_axis(relevant & (scores > -np.inf), columns, axis=1).astype(float)
    number = relevant.sum(axis=1)
    best = (np.arange(k) < number[:, None]).astype(float)
    found = rank_measures(gains, number, best)
    for measure, values in vars(found).items():
        yield Metric(method, ALL, name, measure, k, float(np.mean(values)))


def _chance(name: str, relevant: NDArray[np.bool_]) -> Metric:
    k = min(K, relevant.shape[1])
    return Metric(CHANCE, ALL, name, "precision", k, float(relevant.mean()))
