"""Placeholder characters that a page holds during cleaning for what later steps must not see.

XML allows none of these characters, so no page contains them. Python does not count them as blanks.
"""

import html
import html.entities
import re

EDGE = "\x01"  # ends a run of quotes or begins a line, and shows nothing
LINE_STARTS = ("'", "|", "!")  # a link's text may begin so; at a line's start they are markup
ASIDE = "\x16"  # encloses text that is put aside
GAP = "\x02"  # marks where something was removed between two words, to keep them apart
_SIGNS = "'=<>[]{}|_*:!-(),#;&"
STAND_INS = "\x03\x04\x05\x06\x07\x08\x0e\x0f\x10\x11\x12\x13\x14\x15\x17\x18\x19\x1a\x1b\x00"
_PUT_ASIDE = str.maketrans(_SIGNS, STAND_INS)
_ENTITY = re.compile(r"&(?:\w+|#\d+|#[xX][0-9a-fA-F]+);")


def decoded(text: str) -> str:
    """Decodes numeric entities, and named ones whose full name HTML defines."""
    return _ENTITY.sub(_unescaped, text)


def _unescaped(entity: re.Match[str]) -> str:
    is_known = entity[0][1] == "#" or entity[0][1:] in html.entities.html5
    return html.unescape(entity[0]) if is_known else entity[0]


def put_aside(text: str) -> str:
    """Decodes a text's entities and hides its markup from later steps; `clean` restores it.

    Empty lines at its beginning and end stay visible to `clean`.
    """
    lines = text.strip("\n")
    before, _, after = text.partition(lines) if lines else (text, "", "")
    return f"{before}{ASIDE}{decoded(lines).translate(_PUT_ASIDE)}{ASIDE}{after}"


def put_back(text: str) -> str:
    """Restores the texts that `put_aside` hid."""
    if ASIDE not in text:
        return text
    for stand_in, sign in zip(STAND_INS + ASIDE, (*_SIGNS, ""), strict=True):
        text = text.replace(stand_in, sign)  # `translate` would take ten times as long
    return text


def touches(pieces: list[str]) -> bool:
    """Returns whether these pieces end in a word or a quote."""
    last = pieces[-1][-1:] if pieces else ""
    return last.isalnum() or last == "'"
