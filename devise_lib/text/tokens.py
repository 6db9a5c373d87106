"""Sentences of words out of plain text.

A word is a run of letters, digits and combining marks. Scripts that set no spaces between
words (Chinese, Japanese, Thai) come out as one token for each run between punctuation.
"""

import re
import unicodedata
from collections.abc import Iterator


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


def tag_token(tag: str, lower: bool = True) -> str:
    """A tag as one token, its words joined: "New York" -> new_york; "" for one without a word."""
    return "_".join(words(tag, lower, numbers=True))
