"""Splits plain text into sentences of words.

A word is a run of letters, digits and combining marks. Chinese, Japanese, Thai, Lao, Khmer and
Burmese have no blanks between words, so ICU segments them (devise_lib.text.scripts).
"""

import re
import unicodedata
from collections.abc import Iterator

from devise_lib.text.scripts import END, PLAIN_WORD, SPECIAL, WORD, plain

# The possessive 's is removed (dog's -> dog); other apostrophes in a word stay (don't, o'brien).
_POSSESSIVE = re.compile(r"(?<=\w)'[sS]\b(?!')")
# A full stop after a single letter ends an initial (U.S., J. R. R.), not a sentence.
_SENTENCE_END = re.compile(
    r"[.!?;\u2026\u3002\uff01\uff1f\n\r\u2028\u2029]"
    r"(?:(?<=[\u3002\uff01\uff1f\n\r\u2028\u2029])"  # of Chinese and Japanese; line ends
    r"|(?<=[\u0370-\u03ff\u1f00-\u1fff];)(?=\s)"  # Greek's question mark, in NFC a semicolon
    r"|(?<!\b[^\W\d_]\.)(?<!;)[\"')\]\u00ab\u00bb\u2039\u203a]*(?=\s))"
)
# Apostrophes; quotation marks and dashes.
_PLAIN = {"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2013": " ", "\u2014": " "}
_ASCII_WORD = re.compile(r"[A-Za-z0-9]+(?:'[A-Za-z0-9]+)*")
_ASCII_TO_WORDS = "".join(c if c.isalnum() else " " for c in map(chr, range(128)))


def sentences(text: str, lower: bool = True, numbers: bool = False) -> Iterator[list[str]]:
    """Yields the sentences of a plain text as lists of words; leaves out sentences without words.

    Args:
        text: plain text, such as `wikitext.clean` returns. A line end ends a sentence.
        lower: lower-case the words.
        numbers: keep words without any letter (1999, ½).
    """
    for sentence in _SENTENCE_END.split(_normal(text, lower)):
        # Sentence ends of other scripts are searched only in texts with special signs, for speed.
        if sentence.isascii() or not SPECIAL.search(sentence):
            found = _words(sentence, numbers)
            if found:
                yield found
        else:
            yield from filter(None, (_words(part, numbers) for part in END.split(sentence)))


def words(text: str, lower: bool = True, numbers: bool = False) -> list[str]:
    """Returns the words of a text, regardless of sentences.

    Args:
        text: plain text.
        lower: lower-case the words.
        numbers: keep words without any letter (1999, ½).
    """
    return _words(_normal(text, lower), numbers)


def has_letter(token: str) -> bool:
    """Returns whether a token has a letter; 1999, 10_000, 6'2 and ½ have none."""
    return any(map(str.isalpha, token))


def lower_case(text: str) -> str:
    """Returns the text in lower case, with a plain i for Turkish's İ (U+0130).

    Python's `lower` gives an i with a combining dot, which is another word than the i of Turkish
    texts.
    """
    return text.replace("\u0130", "i").lower()


def _normal(text: str, lower: bool) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
        for typographic, ascii_sign in _PLAIN.items():  # most English sentences are ASCII then
            text = text.replace(typographic, ascii_sign)
    return lower_case(text) if lower else text


def _words(text: str, numbers: bool) -> list[str]:
    if text.isascii() and "'" not in text:  # most English sentences; five times as fast
        found = text.translate(_ASCII_TO_WORDS).split()
        return found if numbers else [word for word in found if not word.isnumeric()]
    text = text.replace("_", " ")
    if text.isascii():
        pattern = _ASCII_WORD
    elif SPECIAL.search(text):
        text, pattern = plain(text), WORD
    else:
        pattern = PLAIN_WORD
    if "'" in text:
        text = _POSSESSIVE.sub(" ", text)
    found = pattern.findall(text)
    return found if numbers else [word for word in found if word[0].isalpha() or has_letter(word)]


def tag_token(tag: str, lower: bool = True) -> str:
    """Converts a tag to one token by joining its words: "New York" -> new_york; "" without any
    word.
    """
    return "_".join(words(tag, lower, numbers=True))
