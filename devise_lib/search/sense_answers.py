"""The senses of a word, and which of some words a context means."""

from collections.abc import Sequence

import numpy as np

from devise_lib.errors import InputError
from devise_lib.search.answers import REASONS, Answer, Hit, Why
from devise_lib.search.collection import Collection
from devise_lib.search.senses import choose, find_senses

SENSE_TERMS = 200  # the nearest terms of a word, of which its senses are made


def find_sense(
    collection: Collection,
    word: str,
    context: str = "",
    photos: Sequence[str] = (),
    candidates: Sequence[str] = (),
    most: int = 3,
) -> Answer:
    """Tells the senses of a word, or which of some words is meant, in a context.

    Args:
        collection: whose words are used.
        word: whose senses are told; "" with candidates.
        context: words beside it.
        photos: beside it: ids, or paths of files.
        candidates: words of which one is meant, such as translations.
        most: the number of senses.
    """
    if bool(word) == bool(candidates):
        raise InputError("want a word, or --candidates to choose from: one of the two")
    words = collection.index.words
    beside = list(collection.embed_photos(photos))
    if context:
        beside.append(collection.embed_text(context).vector)
    if candidates:
        words.require(candidates)
        names, vectors = list(candidates), np.stack([words[name] for name in candidates])
        if not beside:
            raise InputError("want a context to choose among candidates: words or photos")
        contexts = [*([context] if context else []), *photos]
        parts = vectors @ np.stack([*beside[len(photos) :], *beside[: len(photos)]]).T
        explained: list[Why] = [tuple(zip(contexts, mine, strict=True)) for mine in parts.tolist()]
    else:
        vector = words.mean([word])
        near = words.nearest(vector[None], SENSE_TERMS + 1)[0]
        terms = [name for name, _ in near if name.casefold() != word.casefold()]
        if not terms:
            raise InputError(f"{collection.index.folder} carries no other word than {word}")
        senses = find_senses(vector, terms, np.stack([words[term] for term in terms]), most)
        vectors = np.stack([sense.vector for sense in senses])
        names = [", ".join(sense.terms[:REASONS]) for sense in senses]
        explained = [tuple((t, float(words[t] @ vector)) for t in s.terms[:8]) for s in senses]
    if beside:
        order, cosines = choose(vectors, np.stack(beside))
    else:
        order, cosines = np.arange(len(names)), vectors @ vector
    hits = [
        Hit(float(cosine), name=names[place], why=explained[place])
        for place, cosine in zip(order.tolist(), cosines.tolist(), strict=True)
    ]
    asked = f"which is meant: {', '.join(candidates)}" if candidates else f"senses of {word}"
    said = " and ".join(filter(None, [context, f"{len(photos)} photos" if photos else ""]))
    return Answer(f"{asked}, beside {said}" if said else asked, hits, (), photos)
