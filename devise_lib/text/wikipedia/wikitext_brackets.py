"""Removes the brackets of wikitext: templates and tables vanish, and links leave their text."""

import re
from dataclasses import dataclass, field

from devise_lib.text.wikipedia.site import WikiSite
from devise_lib.text.wikipedia.wikitext_marks import EDGE, GAP, LINE_STARTS, put_aside, touches
from devise_lib.text.wikipedia.wikitext_quotes import without_quotes

# Templates that show a character of the text. Only their wiki knows what others show.
_SHOWN_BY_TEMPLATES = {"'": "'", "\u2019": "'", "'s": "'s", "shy": "", "wbr": "", "zwsp": ""}

_BRACKET = re.compile(r"\{\{|\}\}|\[\[|\]\]|\n[ \t:*#]*\{\||\n[ \t]*\|\}(?!\})|\|")
_CLOSES = {"}}": "{{", "]]": "[[", "|}": "{|"}
_MAX_DEPTH = 64  # no article nests deeper; bounds the work for a malicious one
_ROW_OF_OPEN_TABLE = re.compile(r"\n[ \t]*[|!][^\n]*")


@dataclass(slots=True)
class _Open:
    """A bracket that is not closed yet, with what has been read inside it."""

    bracket: str
    pieces: list[str] = field(default_factory=list)
    target_pieces: int | None = None  # the number of pieces before a link's first "|"

    def shown(self, site: WikiSite) -> str:
        """Returns what readers see of the bracket once it is closed."""
        if self.bracket == "{{" and len(self.pieces) == 1:
            sign = _SHOWN_BY_TEMPLATES.get(self.pieces[0].strip())
            return "" if sign is None else put_aside(sign)
        if self.bracket != "[[":
            return ""
        target = "".join(self.pieces[: self.target_pieces])
        if "\n" in target:  # no link, but text
            return "".join(self.pieces).replace("\n|", " |")
        target = target.strip()
        if site.shows_nothing(target):
            return ""
        text = "" if self.target_pieces is None else "".join(self.pieces[self.target_pieces :])
        # MediaWiki interprets the quotes within a link's text alone, and none in a target.
        if text := text.lstrip("|"):
            shown = without_quotes(text) if "''" in text else text
        else:
            shown = target.lstrip(":")
            shown = put_aside(shown) if "''" in shown else shown
        return (
            f"{EDGE}{shown}{EDGE}"
            if shown.startswith(LINE_STARTS) or shown.endswith("'")
            else shown
        )

    def never_closed(self) -> str:
        """Returns what is left of the bracket at the end; of a table's first line, which holds
        attributes, nothing.
        """
        text = "".join(self.pieces)
        if self.bracket != "{|":
            return text
        _, line_end, rows = text.partition("\n")
        return _ROW_OF_OPEN_TABLE.sub("\n", line_end + rows)


def without_brackets(text: str, site: WikiSite) -> str:
    """Removes templates and tables, and replaces links by their text; open brackets stay."""
    stack = [_Open("")]
    at = 0
    for match in _BRACKET.finditer(text):
        top, (start, end) = stack[-1], match.span()
        if start > at:
            top.pieces.append(text[at:start])
        at = end
        mark = match[0][-2:]  # without what precedes the sign of a table
        if mark == "|":
            if top.bracket == "[[" and top.target_pieces is None:
                top.target_pieces = len(top.pieces)
            top.pieces.append(mark)
        elif mark in _CLOSES:
            _close(stack, _CLOSES[mark], site)
        elif len(stack) < _MAX_DEPTH:
            stack.append(_Open(mark))
    stack[-1].pieces.append(text[at:])
    return "".join(unclosed.never_closed() for unclosed in stack)


def _close(stack: list[_Open], bracket: str, site: WikiSite) -> None:
    """Closes the innermost `bracket`; brackets that were opened inside it and never closed are
    text.
    """
    depth = len(stack) - 1
    while depth and stack[depth].bracket != bracket:
        depth -= 1
    if not depth:
        return
    for unclosed in stack[depth + 1 :]:
        stack[depth].pieces.append(unclosed.never_closed())
    closed = stack[depth]
    del stack[depth:]
    if shown := closed.shown(site):
        stack[-1].pieces.append(shown)
    elif touches(stack[-1].pieces):
        stack[-1].pieces.append(GAP)
