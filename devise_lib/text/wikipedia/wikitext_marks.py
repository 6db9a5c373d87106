"""Signs that stand in a page, while it is cleaned, for what later steps must not see.

XML knows none of these characters, so no page has them. Python takes none of them for a blank.
"""

import html
import html.entities
import re

EDGE = "\x01"  # ends a run of quotes or begins a line, and shows nothing
LINE_STARTS = ("'", "|", "!")  # of a link's text: they would mean something at the start of a line
ASIDE = "\x16"  # stands around text that is put aside
GAP = "\x02"  # something that readers see apart stood here, so two words are not one
_SIGNS = "'=<>[]{}|_*:!-(),#;&"
STAND_INS = "\x03\x04\x05\x06\x07\x08\x0e\x0f\x10\x11\x12\x13\x14\x15\x17\x18\x19\x1a\x1b\x00"
_PUT_ASIDE = str.maketrans(_SIGNS, STAND_INS)
_ENTITY = re.compile(r"&(?:\w+|#\d+|#[xX][0-9a-fA-F]+);")


def decoded(text: str) -> str:
    """A text with the characters of the entities that HTML knows by their whole names."""
    return _ENTITY.sub(_unescaped, text)


def _unescaped(entity: re.Match[str]) -> str:
    is_known = entity[0][1] == "#" or entity[0][1:] in html.entities.html5
    return html.unescape(entity[0]) if is_known else entity[0]


def put_aside(text: str) -> str:
    """A text, its entities decoded, that no later step takes for markup; `clean` puts it back.

    Lines that are empty at its beginning and end stay outside, for `clean` to see them.
    """
    lines = text.strip("\n")
    before, _, after = text.partition(lines) if lines else (text, "", "")
    return f"{before}{ASIDE}{decoded(lines).translate(_PUT_ASIDE)}{ASIDE}{after}"


def put_back(text: str) -> str:
    """A text with what `put_aside` took out of the way."""
    if ASIDE not in text:
        return text
    for stand_in, sign in zip(STAND_INS + ASIDE, (*_SIGNS, ""), strict=True):
        text = text.replace(stand_in, sign)  # which `translate` does in a tenfold time
    return text


def touches(pieces: list[str]) -> bool:
    """Whether a word or a quote ends where these pieces do."""
    last = pieces[-1][-1:] if pieces else ""
    return last.isalnum() or last == "'"
