"""Sentences of lower-case words out of plain text, with label phrases joined to one token.

A word is a run of letters, digits and combining marks. Scripts that set no spaces between
words (Chinese, Japanese, Thai) come out as one token for each run between punctuation.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field


def _combining_marks() -> str:
    """The marks of the basic plane as ranges of a character class; `\\w` leaves them out."""
    ranges: list[list[int]] = []
    for point in range(0x300, 0x10000):
        if unicodedata.category(chr(point))[0] == "M":
            if ranges and ranges[-1][1] == point - 1:
                ranges[-1][1] = point
            else:
                ranges.append([point, point])
    return "".join(f"\\u{low:04x}-\\u{high:04x}" for low, high in ranges)


_WORD_CHARACTERS = rf"[\w{_combining_marks()}\u200c\u200d]"  # and "_", which is taken out before
# An apostrophe inside a word stays (don't, o'brien); the possessive 's goes (dog's -> dog).
_WORD = re.compile(rf"{_WORD_CHARACTERS}+(?:'{_WORD_CHARACTERS}+)*")
_POSSESSIVE = re.compile(r"(?<=\w)'[sS]\b(?!')")
# A full stop after a single letter ends an initial (U.S., J. R. R.), not a sentence.
_SENTENCE_END = re.compile(
    r"[.!?\u2026\u3002\uff01\uff1f\n\r\u2028\u2029]"
    r"(?:(?<=[\u3002\uff01\uff1f\n\r\u2028\u2029])"  # of Chinese and Japanese; line ends
    r"|(?<!\b[^\W\d_]\.)[\"')\]]*(?=\s))"
)
# Apostrophes; quotation marks and dashes.
_PLAIN = {"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2013": " ", "\u2014": " "}
_ASCII_TO_WORDS = "".join(c if c.isalnum() else " " for c in map(chr, range(128)))


def sentences(text: str, lower: bool = True, numbers: bool = False) -> Iterator[list[str]]:
    """The sentences of a plain text, each as its words; sentences without words are left out.

    Args:
        text: plain text, such as `wikitext.clean` returns. A line end ends a sentence.
        lower: whether words are lower-cased.
        numbers: whether words without any letter (1999, ½) are kept.
    """
    for sentence in _SENTENCE_END.split(_normal(text, lower)):
        found = _words(sentence, numbers)
        if found:
            yield found


def words(text: str, lower: bool = True, numbers: bool = False) -> list[str]:
    """The words of a text without regard to sentences; arguments as for `sentences`."""
    return _words(_normal(text, lower), numbers)


def _normal(text: str, lower: bool) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
        for typographic, plain in _PLAIN.items():  # leaves most English sentences in ASCII
            text = text.replace(typographic, plain)
    return text.lower() if lower else text


def _words(text: str, numbers: bool) -> list[str]:
    if "'" in text:
        found: list[str] = _WORD.findall(_POSSESSIVE.sub(" ", text.replace("_", " ")))
    elif text.isascii():  # most English sentences; five times as fast as the pattern
        found = text.translate(_ASCII_TO_WORDS).split()
    else:
        found = _WORD.findall(text.replace("_", " "))
    if numbers:
        return found
    return [word for word in found if not word.isnumeric()]


@dataclass(slots=True)
class _Node:
    """A place in the tree of phrases: where the next word leads, and a phrase that ends here."""

    then: dict[str, "_Node"] = field(default_factory=dict)
    joined: str | None = None


class PhraseJoiner:
    """Joins given phrases to single tokens: snow, leopard -> snow_leopard.

    At each word the longest phrase that starts there is taken, then reading goes on behind it.

    Args:
        phrases: word sequences; those of fewer than two words change nothing.
    """

    def __init__(self, phrases: Iterable[Sequence[str]]) -> None:
        self._first: dict[str, _Node] = {}
        for phrase in phrases:
            if len(phrase) < 2:
                continue
            node, branches = None, self._first
            for word in phrase:
                node = branches.setdefault(word, _Node())
                branches = node.then
            if node is not None:
                node.joined = "_".join(phrase)

    def join(self, tokens: Sequence[str]) -> list[str]:
        """The tokens of a sentence with its phrases joined."""
        first = self._first
        starts = [place for place, token in enumerate(tokens) if token in first]
        if not starts:
            return list(tokens)
        joined: list[str] = []
        at = 0  # up to here the tokens are in `joined`
        for start in starts:
            if start < at:
                continue
            phrase, end = self._longest(tokens, start)
            if phrase is not None:
                joined += tokens[at:start]
                joined.append(phrase)
                at = end
        joined += tokens[at:]
        return joined

    def _longest(self, tokens: Sequence[str], start: int) -> tuple[str | None, int]:
        """The longest phrase that starts at `start`, joined, and the place behind it."""
        node: _Node | None = self._first[tokens[start]]
        phrase, end = None, start + 1
        for ahead in range(start + 1, len(tokens)):
            node = node.then.get(tokens[ahead]) if node is not None else None
            if node is None:
                break
            if node.joined is not None:
                phrase, end = node.joined, ahead + 1
        return phrase, end
