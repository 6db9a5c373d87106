"""Tokenization of scripts that need more than plain letters and blanks, by Unicode's properties.

`tokens` uses this module where SPECIAL matches a text. SPECIAL matches signs that end a sentence,
signs within a word that are no part of it, and scripts without blanks between words.

Sources: Unicode Standard Annex 29 (text segmentation) and the Unicode Character Database. ICU's
dictionaries segment Chinese, Japanese, Thai, Lao, Khmer and Burmese into words, as they do in
search engines.
"""

import re
import unicodedata

import regex
from icu4py.breakers import WordBreaker

# The characters whose properties are looked up: the first two planes and the one of tags and
# variation selectors. The two planes between have ideographs only.
_BASIC = "".join(map(chr, [*range(0x80, 0xD800), *range(0xE000, 0x10000)]))
_BEYOND = "".join(map(chr, [*range(0x10000, 0x20000), *range(0xE0000, 0xE0200)]))
_ANY_BEYOND = "\U00010000-\U0010ffff"


def _ranges(characters: str, properties: str) -> str:
    """Returns the characters in a set of `regex`, as ranges for a set of `re`."""
    found = (match[0] for match in regex.finditer(f"(?V1){properties}+", characters))
    return "".join(f"\\U{ord(run[0]):08x}-\\U{ord(run[-1]):08x}" for run in found)


# `re` looks up characters of the basic plane in a table, but compares others with each range. A set
# therefore has _ANY_BEYOND in place of these ranges, and a lookbehind tests the real ones.
# Tibetan's shad ends a clause. Unicode does not list it as the end of a sentence, but Tibetan has
# no other sign for that.
_ENDS = r"[[\p{Sentence_Terminal}\u0f0d-\u0f12]--[\u2024\ufe52\uff0e]]"
_MARKS = r"[\p{Mn}\p{Mc}]"
# Invisible signs, and signs around, over or in a word for emphasis: soft hyphens, directions,
# variation selectors, kashida, Armenian marks of stress, question and exclamation.
# The zero-width space is excluded because it ends a word. Joiners are handled by _JOINERS.
_NO_PART = (
    r"[[\p{Cf}\p{Default_Ignorable_Code_Point}\p{Me}\u0640\u07fa\u055b\u055c\u055e]"
    r"--[\u200b-\u200d\ufff9-\ufffb]]"
)
_UNSPACED = (
    r"[[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\u30fc]"
    r"&&[\p{L}\p{M}\p{N}]]"
)
_ends, _marks, _no_part, _unspaced = (
    _ranges(_BASIC, properties) for properties in (_ENDS, _MARKS, _NO_PART, _UNSPACED)
)
_unspaced += r"\U00020000-\U0003ffff"  # planes of ideographs
_shaped = r"\ufb00-\ufdff\ufe70-\ufefc\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uffdc"
_apostrophes = r"\u00b4\u02bc\u055a\u2032\u201b\uff07"  # of keyboards and Ukrainian
_armenian, _hebrew = r"\u0531-\u0588", r"\u05d0-\u05ea"
_cyrillic, _latin = r"\u0400-\u052f", r"A-Za-z\u00c0-\u02af\u1e00-\u1eff"

SPECIAL = re.compile(
    r"[\u00ad\u00b7\u013f\u0140\u0300\u0301\u05f3\u05f4\u1361\u200c\u200d\u2024\ufe52\uff0e"
    rf"{_apostrophes}{_ends}{_no_part}{_unspaced}{_shaped}{_armenian}{_hebrew}{_ANY_BEYOND}]"
)

END = re.compile(
    rf"[{_ends}{_ANY_BEYOND}:\u1361\u2024\ufe52\uff0e](?:"
    rf"(?<=[{_ends}])|(?<=[{_ranges(_BEYOND, _ENDS)}])"
    r"|(?<=[\u2024\ufe52\uff0e])(?<!\b[^\W\d_].)(?!\d)"  # full stops: of no initial, no decimal
    rf"|(?<=[{_armenian}\u055b\u055c\u055e]:)(?=\s|$)"  # the full stop, as many type it
    r"|(?<=\u1361)\u1361)"  # and Ethiopic's
)

# Part of a word are a middle dot between two l (Catalan), and a double quote between Hebrew
# letters, where it stands for gershayim.
_letters = rf"[\w{_marks}]"
_inside = rf"(?:'|(?<=[lL])\u00b7(?=[lL])|(?<=[{_hebrew}])\"(?=[{_hebrew}]))"
_beyond_marks = rf"[{_ANY_BEYOND}](?<=[{_ranges(_BEYOND, _MARKS)}])"
_unit = rf"\w[\w{_marks}\u200c\u200d]*(?:{_beyond_marks}[\w{_marks}\u200c\u200d]*)*"
WORD = re.compile(f"{_unit}(?:{_inside}{_unit})*")  # for a text by `plain`
PLAIN_WORD = re.compile(rf"\w{_letters}*(?:'\w{_letters}*)*")  # for a text without special signs

_TAKEN_OUT = re.compile(
    rf"[{_no_part}{_ANY_BEYOND}](?:(?<=[{_no_part}])|(?<=[{_ranges(_BEYOND, _NO_PART)}]))"
)
# A joiner is kept between two letters or marks of scripts in which it distinguishes words, such as
# Persian and the scripts of India.
_JOINERS = re.compile(
    rf"[\u200c\u200d](?:(?<!{_letters}.)|(?<=[{_latin}{_cyrillic}{_unspaced}].)"
    rf"|(?![\u200c\u200d]*{_letters})|(?=[\u200c\u200d]*[{_unspaced}]))"
)
_STRESS = re.compile(rf"(?<=[{_cyrillic}])[\u0300\u0301]+")  # NFC composed accented letters
_SIGNS = {"\u0140": "l\u00b7", "\u013f": "L\u00b7", "\u05f3": "'", "\u05f4": '"'}
# Letters of Bengali and Malayalam that were written with a joiner before Unicode added them.
_SIGNS |= {"\u09a4\u09cd\u200d": "\u09ce"} | {
    f"{base}\u0d4d\u200d": letter
    for base, letter in zip(
        "\u0d23\u0d28\u0d30\u0d32\u0d33\u0d15", "\u0d7a\u0d7b\u0d7c\u0d7d\u0d7e\u0d7f", strict=True
    )
}
_APOSTROPHE = re.compile(rf"[{_apostrophes}](?<=[^\W\d_].)(?=[^\W\d_])")
# Ligatures, Arabic letters by their shape, full-width and half-width letters and digits.
_SHAPES = re.compile(f"[{_shaped}]+")
_RUN = re.compile(f"[{_unspaced}]+")


def plain(text: str) -> str:
    """Prepares a text for WORD: removes signs that are no part of a word, and inserts blanks.

    Args:
        text: in NFC, with ' for an apostrophe and " for a quotation mark.
    """
    for sign, usual in _SIGNS.items():
        text = text.replace(sign, usual)
    text = _JOINERS.sub("", _TAKEN_OUT.sub("", _SHAPES.sub(_usual_shape, text)))
    text = _STRESS.sub("", unicodedata.normalize("NFC", text))
    return _APOSTROPHE.sub("'", _with_blanks(text))


def unspaced_characters(text: str) -> int:
    """Returns the number of characters of the scripts that ICU segments into words."""
    return 0 if text.isascii() else sum(map(len, _RUN.findall(text)))


def _usual_shape(shapes: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", shapes[0])


def _with_blanks(text: str) -> str:
    """Inserts a blank around each word of a script without blanks."""
    runs = _RUN.findall(text)
    if not runs:
        return text
    # One call for all runs, because making a breaker takes as long as segmenting 20 characters.
    cut = " ".join(WordBreaker("\n".join(runs), "und")).split("\n")
    between = iter(_RUN.split(text))
    return next(between) + "".join(f" {run} {rest}" for run, rest in zip(cut, between, strict=True))
