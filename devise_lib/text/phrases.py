"""Joins phrases to single tokens by longest match: snow, leopard -> snow_leopard."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from devise_lib.text.tokens import has_letter, lower_case, sentences

# Plurals that do not follow the rules of `_plurals`.
_IRREGULAR = {
    "child": "children",
    "foot": "feet",
    "goose": "geese",
    "mouse": "mice",
    "ox": "oxen",
    "person": "people",
    "tooth": "teeth",
}


@dataclass(slots=True)
class _Node:
    """A node in the trie of phrases: the next words, and the phrase that ends here, if any."""

    joined: str | None = None
    then: dict[str, "_Node"] = field(default_factory=dict)


class PhraseJoiner:
    """Joins given phrases to single tokens.

    At each word the longest phrase that starts there is joined, and the search continues after it.
    200,000 phrases of two words take 70 MB in each process.

    Args:
        phrases: word sequences; those of fewer than two words change nothing.
        forms: other spellings: words -> the token that they are joined to. If a spelling is a
            phrase itself, the phrase takes precedence.
    """

    def __init__(
        self,
        phrases: Iterable[Sequence[str]],
        forms: Mapping[tuple[str, ...], str] | None = None,
    ) -> None:
        self._openings: dict[tuple[str, str], str | _Node] = {}  # by the first two words
        for words, token in (forms or {}).items():
            self._add(words, token)
        for phrase in phrases:
            self._add(phrase, "_".join(phrase))

    def _add(self, words: Sequence[str], token: str) -> None:
        if len(words) < 2:
            return
        opening = (words[0], words[1])
        known = self._openings.get(opening)
        if len(words) == 2 and not isinstance(known, _Node):
            self._openings[opening] = token
            return
        if not isinstance(known, _Node):
            known = self._openings[opening] = _Node(known)
        node = known
        for word in words[2:]:
            node = node.then.setdefault(word, _Node())
        node.joined = token

    def tokens(self) -> frozenset[str]:
        """Returns every token that joining can make."""
        found = []
        open_nodes: list[str | _Node] = list(self._openings.values())
        while open_nodes:
            node = open_nodes.pop()
            if isinstance(node, str):
                found.append(node)
            else:
                open_nodes += node.then.values()
                open_nodes += [node.joined] if node.joined is not None else []
        return frozenset(found)

    def join(self, tokens: Sequence[str], fold: bool = False) -> list[str]:
        """Returns the tokens of a sentence with its phrases joined.

        Args:
            tokens: the words of a sentence.
            fold: match words in lower case. Words that are not joined stay as they are.
        """
        words = [lower_case(token) for token in tokens] if fold else tokens
        openings = self._openings
        if openings.keys().isdisjoint(pairwise(words)):  # most sentences; runs as C code
            return list(tokens)
        joined: list[str] = []
        at = 0  # up to here the tokens are in `joined`
        for start, opening in enumerate(pairwise(words)):
            if start < at or opening not in openings:
                continue
            phrase, end = _longest(openings[opening], words, start + 2)
            if phrase is not None:
                joined += tokens[at:start]
                joined.append(phrase)
                at = end
        joined += tokens[at:]
        return joined


def _longest(node: str | _Node, words: Sequence[str], ahead: int) -> tuple[str | None, int]:
    """Returns the longest phrase from `node` on, joined, and the index after it."""
    if isinstance(node, str):
        return node, ahead
    phrase, end = node.joined, ahead
    for place in range(ahead, len(words)):
        following = node.then.get(words[place])
        if following is None:
            break
        node = following
        if node.joined is not None:
            phrase, end = node.joined, place + 1
    return phrase, end


def joined_sentences(
    text: str, joiner: PhraseJoiner, lower: bool = True, numbers: bool = False, min_words: int = 1
) -> Iterator[list[str]]:
    """Yields the sentences of a plain text as tokens, with the phrases joined.

    Phrases are joined before numbers are dropped. A phrase may therefore hold a number
    (boeing_747), and none is joined across a dropped one.

    Args:
        text: plain text, as for `tokens.sentences`.
        joiner: of phrases in lower case.
        lower: lower-case the words. Phrases are found in any case, and their tokens are always in
            lower case.
        numbers: keep tokens without any letter.
        min_words: sentences of fewer tokens are left out.
    """
    for words in sentences(text, lower, numbers=True):
        tokens = joiner.join(words, fold=not lower)
        if not numbers:
            tokens = [token for token in tokens if token[0].isalpha() or has_letter(token)]
        if len(tokens) >= max(1, min_words):
            yield tokens


def plural_forms(phrases: Iterable[Sequence[str]]) -> dict[tuple[str, ...], str]:
    """Returns the English plurals of phrases -> the phrase's token: snow, leopards -> snow_leopard.

    Rules make the plurals, so some are no English (womans). These do no harm, because no text has
    them.
    """
    return {
        (*phrase[:-1], plural): "_".join(phrase)
        for phrase in phrases
        if len(phrase) > 1
        for plural in _plurals(phrase[-1])
    }


def _plurals(word: str) -> list[str]:
    if word in _IRREGULAR:
        return [_IRREGULAR[word]]
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return [word + "es"]
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return [word[:-1] + "ies"]
    forms = [word + "s"]
    if word.endswith("man"):
        forms.append(word[:-3] + "men")
    elif word.endswith("o"):
        forms.append(word + "es")
    elif word.endswith("fe"):
        forms.append(word[:-2] + "ves")
    elif word.endswith("f"):
        forms.append(word[:-1] + "ves")
    return forms
