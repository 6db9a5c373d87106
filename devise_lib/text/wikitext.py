"""Wikitext to plain text.

The scanner is our own. On 106 English articles with their wikitext (5.7M characters, one core)
it took 0.27 s; gensim's filter_wiki took 0.88 s and left bold and italic quotes, the signs of
headings and the ends of file links in the text; mwparserfromhell took 5.1 s and its strip_code
left the captions and options of files. The tests hold it against mwparserfromhell's tree.

Templates are dropped with all that they show: what a template shows is known to its wiki alone.
On 130 English articles (550,000 words) those that only format what they are given (convert,
lang, nowrap, small, nihongo, as of ...) stand in running text for 0.2 % of the words, most of
them numbers, units and words of other languages; as many words in such places are of sfn, refn, efn
and IPAc-en, which readers do not see in the text.
"""

import html
import re
from dataclasses import dataclass, field

# Elements of which readers see nothing, or nothing that is running text; and nowiki and pre,
# of which they see the inside as it stands.
_ELEMENT = re.compile(
    r"<!--|<(ref|references|math|chem|gallery|nowiki|pre|source|syntaxhighlight|timeline|score"
    r"|imagemap|templatedata|graph|mapframe|maplink|style|script|hiero|ce|inputbox|indicator"
    r"|categorytree|includeonly)\b[^<>]*>",
    re.IGNORECASE,
)
_AS_IT_STANDS = {"nowiki", "pre"}
_MARKUP_CHARACTERS = str.maketrans("", "", "[]{}|<>'=")

_BRACKET = re.compile(r"\{\{|\}\}|\[\[|\]\]|\n[ \t:*#]*\{\||\n[ \t]*\|\}(?!\})|\|")
_CLOSES = {"}}": "{{", "]]": "[[", "|}": "{|"}
_MAX_DEPTH = 64  # no article nests deeper; bounds the work for a hostile one

# Links that show no text where they stand: files, categories, the page in other languages.
_UNSHOWN_TARGET = re.compile(
    r"(?:file|image|media|category)[ _]*:|(?-i:[a-z]{2,3}(?:-[a-z]+)*:)(?! )"
    r"|[^:]+:.*\.(?:jpe?g|png|gif|svg|tiff?|webp|og[agv]|webm|mp3|wav|flac|pdf|djvu|midi?)$",
    re.IGNORECASE | re.DOTALL,
)
# Lines of nothing but links to "Namespace:Title": categories, whatever the wiki's language.
_LINE_OF_CATEGORIES = re.compile(
    r"\n(?:[ \t]*\[\[[^\]\[|:\n]+:(?! )[^\]\[\n]*\]\])+[ \t]*(?=\n|\Z)"
)

_EXTERNAL_LINK = re.compile(r"\[(?:(?:https?|ftp):)?(?://|mailto:)[^\s\[\]]*+([^\[\]\n]*+)\]")
_URL = re.compile(r"(?:https?|ftp)://[^\s\[\]<>\"|]+")
_BLOCK_TAG = re.compile(
    r"</?(?:p|div|li|ul|ol|dl|dd|dt|t[drh]|table|caption|h[1-6]|blockquote|center|poem|hr)\b[^<>]*>",
    re.IGNORECASE,
)
_LINE_BREAK = re.compile(r"<br\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z][^<>]*>", re.IGNORECASE)
_QUOTES = re.compile(r"'{2,}")
_MAGIC_WORD = re.compile(r"__([^\W\d_]{3,})__")  # __NOTOC__, in the wiki's own language, too
_VARIANTS = re.compile(r"-\{(?:([^{}|]*)\|)?([^{}|]*)\}-")  # -{zh-hans:一; zh-hant:二}-
_STRAY_BRACKETS = re.compile(r"\{\{+|\}\}+|\[\[+|\]\]+|\{\||\|\}")
# What templates leave in parentheses, as in "Achilles ({{IPA|x}}; {{lang|grc|y}}, a hero)".
_EMPTY_PARENTHESES = re.compile(r"\([\s,;:]*\)")
_OPENING_COMMAS = re.compile(r"\(\s*[,;](?:\s*[,;])*\s*")
_COMMAS = re.compile(r"[,;]+([;)])")
_GAPS = {" ,": ",", " ;": ";", " )": ")", "( ": "(", " . ": ". ", " .\n": ".\n"}
_MARKUP = ("[", "]", "{", "}", "<", "''", "&", "__", "://")

_DISAMBIGUATION_TITLE = re.compile(r"\((?:disambiguation|значення|αποσαφήνιση|曖昧さ回避)\)\s*$")
_DISAMBIGUATION_TEMPLATE = re.compile(
    # Not {{disambiguation needed}} and its like, which stand behind a link within an article.
    r"\{\{\s*(?!\w+[ _]+(?:link[ _]+)?needed\b)"
    r"(?:disambig|disamb\b|dab\b|hndis|geodis|surname\b|given name\b|mathdab|letter-number c"
    r"|begriffsklärung|homonymie|desambig|неоднозначн|багатозначн|disambigua|aimai|曖昧さ回避"
    r"|αποσαφήνιση|nūzeimu šk)",
    re.IGNORECASE,
)
_MAY_REFER = re.compile(
    r"\b(?:may|can|could|might) (?:also )?refer to\b[^.\n]{0,40}:\s*$", re.MULTILINE
)


def clean(text: str) -> str:
    """The running text of a page: paragraphs, list items and headings, each on its own line.

    Templates, tables, references, files, categories, links to other languages, comments,
    formulas, galleries and tags are left out; of links their text stays. Work grows linearly
    with the length of the text, also where markup is left open.
    """
    if any(mark in text for mark in _MARKUP):
        text = _without_markup("\n" + text)
    text = _EMPTY_PARENTHESES.sub("", text)
    text = _OPENING_COMMAS.sub("(", text)
    lines: list[str] = []
    for raw in text.split("\n"):
        line = _clean_line(raw)
        if line or (lines and lines[-1]):
            lines.append(line)
    text = "\n".join(lines).rstrip("\n")
    for gap, closed in _GAPS.items():
        text = text.replace(gap, closed)
    if any(pair in text for pair in (",;", ",)", ";)")):  # the search costs more than the look
        text = _COMMAS.sub(r"\1", text)
    return text


def is_disambiguation(text: str, title: str) -> bool:
    """Whether a page only lists the pages that its title may mean, from its wikitext or text."""
    return bool(
        _DISAMBIGUATION_TITLE.search(title)
        or _DISAMBIGUATION_TEMPLATE.search(text)
        or _MAY_REFER.search(text[:500])
    )


def _without_markup(text: str) -> str:
    if "<" in text:
        text = _without_elements(text)
    if "[[" in text or "{" in text:
        text = _without_brackets(_LINE_OF_CATEGORIES.sub("", text))
    if "//" in text or "mailto:" in text:
        text = _URL.sub("", _EXTERNAL_LINK.sub(r"\1", text))
    if "<" in text:
        text = _TAG.sub("", _LINE_BREAK.sub(" ", _BLOCK_TAG.sub("\n", text)))
    if "''" in text:
        text = _QUOTES.sub(_apostrophe, text)
    if "__" in text:
        text = _MAGIC_WORD.sub(lambda word: word[0] if word[1] != word[1].upper() else "", text)
    if "-{" in text:
        text = _VARIANTS.sub(_variant, text)
    if any(bracket in text for bracket in "[]{}"):
        text = _STRAY_BRACKETS.sub("", text)
    return html.unescape(text)  # last, so that what was escaped is not taken for markup


def _apostrophe(quotes: re.Match[str]) -> str:
    return "'" if len(quotes[0]) == 4 else ""  # one apostrophe, then bold


def _variant(conversion: re.Match[str]) -> str:
    """Of a text in several scripts the first; nothing where it only sets a rule or a title."""
    flags, text = conversion[1] or "", conversion[2]
    if {"H", "T", "-"} & set(flags):
        return ""
    return re.sub(r"^\s*[a-z]+(?:-[a-z]+)*:", "", text.partition(";")[0]).strip()


def _clean_line(raw: str) -> str:
    line = " ".join(raw.split())
    if not line:
        return line
    first = line[0]
    if first == "=" and line[-1] == "=":
        line = line.strip("= ")
    elif first in "*#:;":
        line = line.lstrip("*#:; ")
    elif first in "|!":  # a row of a table that was left open
        return ""
    elif line.startswith("----"):
        line = line.lstrip("- ")
    return line


def _without_elements(text: str) -> str:
    """Without comments and the elements of _ELEMENT; of nowiki and pre the text stays."""
    pieces: list[str] = []
    never_closed: set[str] = set()  # from here on; so that no search for an end is made twice
    at = 0
    while start := _ELEMENT.search(text, at):
        pieces.append(text[at : start.start()])
        at = start.end()
        name = (start[1] or "").lower()
        if start[0].endswith("/>") or name in never_closed:
            continue
        end = _end_of(name).search(text, at)
        if end is None:
            if not name:  # an open comment hides the rest of the page
                return "".join(pieces)
            never_closed.add(name)
            continue
        if name in _AS_IT_STANDS:
            pieces.append(text[at : end.start()].translate(_MARKUP_CHARACTERS))
        at = end.end()
    pieces.append(text[at:])
    return "".join(pieces)


def _end_of(name: str) -> re.Pattern[str]:
    return re.compile(rf"</{name}\s*>" if name else "-->", re.IGNORECASE)  # re keeps them


@dataclass(slots=True)
class _Open:
    """A bracket that is not closed yet, with what has been read inside it."""

    bracket: str
    pieces: list[str] = field(default_factory=list)
    target_pieces: int | None = None  # how many pieces stand before a link's first "|"

    def shown(self) -> str:
        """What readers see of it once it is closed."""
        if self.bracket != "[[":
            return ""
        target = "".join(self.pieces[: self.target_pieces])
        if "\n" in target:  # no link then
            return "".join(self.pieces)
        target = target.strip()
        if not target.startswith(":") and _UNSHOWN_TARGET.match(target):
            return ""
        text = "" if self.target_pieces is None else "".join(self.pieces[self.target_pieces :])
        return text.lstrip("|") or target.lstrip(":")


def _without_brackets(text: str) -> str:
    """Without templates and tables, and links replaced by their text; open ones stay."""
    stack = [_Open("")]
    at = 0
    for match in _BRACKET.finditer(text):
        top = stack[-1]
        if match.start() > at:
            top.pieces.append(text[at : match.start()])
        at = match.end()
        mark = match[0] if len(match[0]) <= 2 else match[0][-2:]
        if mark == "|":
            if top.bracket == "[[" and top.target_pieces is None:
                top.target_pieces = len(top.pieces)
            top.pieces.append(mark)
        elif mark in _CLOSES:
            _close(stack, _CLOSES[mark])
        elif len(stack) < _MAX_DEPTH:
            stack.append(_Open(mark))
    stack[-1].pieces.append(text[at:])
    return "".join(piece for unclosed in stack for piece in unclosed.pieces)


def _close(stack: list[_Open], bracket: str) -> None:
    """Close the innermost `bracket`; those opened inside it and never closed are text."""
    depth = len(stack) - 1
    while depth and stack[depth].bracket != bracket:
        depth -= 1
    if not depth:
        return
    for unclosed in stack[depth + 1 :]:
        stack[depth].pieces += unclosed.pieces
    closed = stack[depth]
    del stack[depth:]
    stack[-1].pieces.append(closed.shown())
