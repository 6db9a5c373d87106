"""Signs that stand in a page, while it is cleaned, for what later steps must not see.

XML knows none of these characters, so no page has them.
"""

EDGE = "\x01"  # ends a run of quotes or begins a line, and shows nothing
LINE_STARTS = ("'", "|", "!")  # of a link's text: they would mean something at the start of a line
ASIDE = "\x16"  # stands around text that is put aside
GAP = "\x02"  # something that readers see apart stood here, so two words are not one
_SIGNS = "'=<>[]{}|_*:!-(),"
_STAND_INS = "\x03\x04\x05\x06\x07\x08\x0e\x0f\x10\x11\x12\x13\x14\x15\x17\x18\x19"
_PUT_ASIDE = str.maketrans(_SIGNS, _STAND_INS)
_PUT_BACK = str.maketrans(_STAND_INS, _SIGNS, ASIDE)


def put_aside(text: str) -> str:
    """A text that no later step takes for markup; `clean` puts it back."""
    return f"{ASIDE}{text.translate(_PUT_ASIDE)}{ASIDE}"


def put_back(text: str) -> str:
    """A text with what `put_aside` took out of the way."""
    return text.translate(_PUT_BACK) if ASIDE in text else text


def touches(pieces: list[str]) -> bool:
    """Whether a word or a quote ends where these pieces do."""
    last = pieces[-1][-1:] if pieces else ""
    return last.isalnum() or last == "'"
