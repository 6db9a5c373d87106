"""Submissions and photographers for an assignment, with the reasons."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.search.answers import REASONS, Answer, Hit, Why
from devise_lib.search.collection import Collection
from devise_lib.search.diversity import choose_diverse
from devise_lib.search.photographers import rank_owners
from devise_lib.search.submissions import brief_scores, fit_threshold
from devise_lib.search_choices import ExamplePooling, OwnerPooling

CHANCE_AREA = 0.5  # of a score that tells nothing


@dataclass(frozen=True)
class Brief:
    """What an assignment asks for.

    Attributes:
        text: in words; "" for none.
        examples: photos that are as they are wanted: ids, or paths of files.
        text_weight: of the text, beside the examples, in [0, 1].
        pooling: whether a photo must be like one of the examples, or like all.
    """

    text: str = ""
    examples: Sequence[str] = ()
    text_weight: float = 0.5
    pooling: ExamplePooling = "max"

    def embed(self, collection: Collection) -> "EmbeddedBrief":
        """Returns the brief with its vectors."""
        text = collection.embed_text(self.text).vector if self.text else None
        return EmbeddedBrief(self, text, collection.embed_photos(self.examples))

    def said(self) -> str:
        """Returns it in a few words."""
        like = f"{len(self.examples)} examples" if self.examples else ""
        return " and ".join(filter(None, [self.text, like]))


@dataclass(frozen=True)
class EmbeddedBrief:
    """A brief with the vectors of its text (d,), or None, and of its examples (m, d)."""

    brief: Brief
    text: NDArray[np.float32] | None
    examples: NDArray[np.float32]

    def score(self, photos: NDArray[np.float32]) -> NDArray[np.float64]:
        """Returns how well photos (n, d) fit, (n,)."""
        return brief_scores(
            photos,
            self.text,
            self.examples,
            text_weight=self.brief.text_weight,
            pooling=self.brief.pooling,
        )

    def why(self, photo: NDArray[np.float32]) -> tuple[Why, tuple[str, ...]]:
        """Returns the cosines of a photo (d,) with the text and the nearest example, and that."""
        found: list[tuple[str, float]] = []
        if self.text is not None:
            found.append(("text", float(photo @ self.text)))
        if not len(self.examples):
            return tuple(found), ()
        cosines = self.examples @ photo
        nearest = int(cosines.argmax())
        return (*found, ("nearest example", float(cosines[nearest]))), (
            self.brief.examples[nearest],
        )


@dataclass(frozen=True)
class Judged:
    """Photos on which people have decided: ids, or paths of files."""

    accepted: Sequence[str]
    rejected: Sequence[str]


def order_submissions(
    collection: Collection,
    photos: Sequence[str],
    brief: Brief,
    judged: Judged | None = None,
    relevance: float = 1.0,
    k: int | None = None,
) -> Answer:
    """Orders photos that were submitted for a brief, and decides on them.

    Args:
        collection: whose words and network are used.
        photos: submitted: ids of the collection, or paths of files.
        brief: what is asked for.
        judged: photos from which a threshold is learnt; None for no decisions.
        relevance: below 1, photos that differ from those before come earlier (`diversity`).
        k: the number of photos that are told; None for all.
    """
    vectors, wanted = collection.embed_photos(photos), brief.embed(collection)
    scores, notes, threshold = wanted.score(vectors), [], None
    if judged:
        kinds = (judged.accepted, judged.rejected)
        of_kinds = [wanted.score(collection.embed_photos(kind)) for kind in kinds]
        threshold = fit_threshold(*of_kinds)
        notes.append(
            f"accepted from {threshold.score:.3f} on; on the judged photos this decides "
            f"{threshold.balanced_accuracy:.0%} rightly (mean of both kinds), area under the curve "
            f"{threshold.area:.2f}"
        )
        if threshold.area <= CHANCE_AREA:
            notes.append("the brief does not tell accepted from rejected: take no decision by it")
    order = choose_diverse(scores, vectors, len(photos), relevance)
    if relevance < 1:
        notes.append(f"in the order of relevance {relevance:g} against difference")
    hits = []
    for place in order.tolist():
        decision = ""
        if threshold:
            decision = "accepted" if scores[place] >= threshold.score else "rejected"
        why, example = wanted.why(vectors[place])
        hits.append(Hit(float(scores[place]), photos[place], "", decision, why, example))
    return Answer(f"submissions for: {brief.said()}", hits[:k], notes, brief.examples)


def find_photographers(
    collection: Collection,
    brief: Brief,
    k: int,
    pooling: OwnerPooling = "log_sum_exp",
    considered: int = 5_000,
) -> Answer:
    """Ranks photographers for an assignment by their photos that fit it best.

    Args:
        collection: with a table of photos that has owners.
        brief: what is asked for.
        k: the number of photographers.
        pooling: how an owner's photos make a score (`photographers`).
        considered: the photos nearest to the brief, among which owners are ranked.
    """
    if collection.photos is None:
        raise InputError("want a table of photos with the column owner: give it by --photos")
    wanted = brief.embed(collection)
    queries = [*([] if wanted.text is None else [wanted.text]), *wanted.examples]
    if not queries:
        raise InputError("want a text or photos as examples of an assignment; got neither")
    number = min(considered, collection.index.manifest.n)
    found = collection.index.search(np.stack(queries), number)
    rows = [row for row in np.unique(found.rows).tolist() if row >= 0]
    ids = collection.ids_of(rows)
    about = collection.photos.about(ids)
    owners = [about[photo].owner if photo in about else None for photo in ids]
    if not any(owners):
        raise InputError(f"{collection.photos.place} names the owner of no photo that was found")
    scores = wanted.score(collection.vectors_of(rows))
    ranked = rank_owners(scores, owners, pooling=pooling)[:k]
    hits = [
        Hit(
            each.score,
            name=each.owner,
            why=(("photos considered", each.photos),),
            why_photos=tuple(ids[place] for place in each.best[:REASONS].tolist()),
        )
        for each in ranked
    ]
    notes = [f"by the {len(rows):,} photos that are nearest to it, and no others"]
    return Answer(f"photographers for: {brief.said()}", hits, notes, brief.examples)
