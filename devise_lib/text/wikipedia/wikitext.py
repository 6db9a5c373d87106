"""Converts wikitext to plain text.

The scanner is this project's own. The measurements below are of 106 English articles with their
wikitext (5.7M characters, one core):

- this scanner took 0.32 s;
- gensim's filter_wiki took 1.33 s, and left bold and italic quotes, the signs of headings and the
  ends of file links in the text;
- mwparserfromhell took 3.5 s, and its strip_code left the captions and options of files.

The tests compare the scanner with mwparserfromhell's tree.

Templates are dropped with all that they show, because only their wiki knows what they show. In 130
English articles (550,000 words), templates that only format their arguments (convert, lang, nowrap,
small, nihongo, as of ...) make up 0.2 % of the words of running text. Most of these words are
numbers, units and words of other languages. As many words in such places are of sfn, refn, efn and
IPAc-en, which readers do not see in the text.
"""

import re

from devise_lib.text.wikipedia.site import UNKNOWN_SITE, WikiSite
from devise_lib.text.wikipedia.wikitext_brackets import without_brackets
from devise_lib.text.wikipedia.wikitext_marks import (
    EDGE,
    GAP,
    decoded,
    put_aside,
    put_back,
    touches,
)
from devise_lib.text.wikipedia.wikitext_quotes import without_quotes

# A tag's name ends at a blank, "/" or ">". Any other "<" is text, as in "x<y" or "<b,".
_NAME_END = r"(?=[\s/>])[^<>]*>"
# Elements that show nothing, or no running text; and nowiki and pre, which show their contents
# literally.
_APART = (
    "ref|references|math|chem|gallery|nowiki|pre|source|syntaxhighlight|timeline|score|imagemap"
    "|templatedata|graph|mapframe|maplink|style|script|hiero|ce|inputbox|indicator|categorytree"
    "|includeonly"
)
_ELEMENT = re.compile(rf"<!--|<({_APART}){_NAME_END}", re.IGNORECASE)
_AS_IT_STANDS = {"nowiki", "pre"}
_WITHOUT_A_TRACE = {"", "includeonly"}  # comments, and what only other pages include

_GAP_WITHIN_WORD = re.compile(rf"{GAP}(?<=[^\W_]{GAP})(?=[^\W_])")
_PROTOCOL = r"(?:https?|ftps?|sftp|ircs?|gopher|telnet|nntp|svn|git|mms|ssh|worldwind)"
_EXTERNAL_LINK = re.compile(
    rf"\[(?:(?:{_PROTOCOL}:)?//|(?:mailto|news|tel|sms|sips?|xmpp|geo|urn|magnet|bitcoin|matrix):)"
    r"[^\s\[\]]*+([^\[\]\n]*+)\]",
    re.IGNORECASE,
)
# A URL does not include a full stop, comma or the like at its end; parentheses only in pairs.
_URL = re.compile(r"(?:https?|ftp)://(?:[^\s\[\]<>\"|()]|\([^\s\[\]<>\"|()]*\))*(?<![.,;:!?])")
_ANGLED_URL = re.compile(r"<(?:https?|ftp)://[^\s\[\]<>\"|]+>")
_ARGUMENT = re.compile(r"\{\{\{[^{}|\n]*(?:\|([^{}\n]*))?\}\}\}")  # {{{1|default}}}
# Lines of a table that a template opened, and of a template that is never closed.
_ROW = re.compile(r"\n[ \t]*(?:\||![^!\n][^\n]*(?:!!|\|))[^\n]*")
_BLOCK_TAG = re.compile(
    r"</?(?:p|div|li|ul|ol|dl|dd|dt|t[drh]|table|caption|h[1-6]|blockquote|center|poem|hr)"
    + _NAME_END,
    re.IGNORECASE,
)
_LINE_BREAK = re.compile(rf"</?br{_NAME_END}", re.IGNORECASE)
# The tags that MediaWiki and its common extensions know. Any other is shown literally.
_TAG = re.compile(
    r"</?(?:abbr|b|bdi|bdo|big|charinsert|cite|code|col|colgroup|data|del|dfn|dynamicpagelist|em"
    r"|figure|figcaption|font|i|ins|kbd|langconvert|languages|link|mark|meta|noinclude"
    r"|onlyinclude|page|pagelist|pages|phonos|q|quiz|rb|rbc|rp|rt|rtc|ruby|s|samp|section|small"
    r"|span|strike|strong|sub|sup|tbody|templatestyles|tfoot|thead|time|translate|tt|tvar|u|var|wbr"
    rf"|{_APART}){_NAME_END}",
    re.IGNORECASE,
)
_MAGIC_WORD = re.compile(r"__([^\W\d_]+(?:_[^\W\d_]+)*)__")
_MAGIC_LINE = re.compile(rf"^[ \t]*{_MAGIC_WORD.pattern}[ \t]*$", re.MULTILINE)
# The words that MediaWiki and its common extensions know in every wiki.
_KNOWN_EVERYWHERE = """
    ARCHIVEDTALK DISAMBIG END EXPECTED_UNCONNECTED_PAGE EXPECTUNUSEDCATEGORY EXPECTUNUSEDTEMPLATE
    EXPECTWITHOUTSCANS FORCETOC HIDDENCAT INDEX NEWSECTIONLINK NOCC NOCONTENTCONVERT NOEDITSECTION
    NOGALLERY NOGLOBAL NOINDEX NONEWSECTIONLINK NOTALK NOTC NOTITLECONVERT NOTOC START
    STATICREDIRECT TOC
"""
_MAGIC_WORDS = frozenset(_KNOWN_EVERYWHERE.split())
_VARIANTS = re.compile(r"-\{(?:([^{}|]*)\|)?([^{}|]*)\}-")  # -{zh-hans:一; zh-hant:二}-
_STRAY_BRACKETS = re.compile(r"\{\{+|\}\}+|\[\[+|\]\]+|\{\||\|\}")
# What removed templates leave in parentheses: "Achilles ({{IPA|x}}; {{lang|grc|y}}, a hero)".
# A pattern that begins with a lookbehind is tried at every character, so the sign comes first.
_EMPTY_PARENTHESES = re.compile(r"\((?<!\w\()(?:[^\S\n]|[,;:])*\)")
_OPENING_COMMAS = re.compile(r"\([^\S\n]*[,;](?:[^\S\n]|[,;])*")
_COMMAS = re.compile(r"[,;](?<![,;][,;])[,;]*([;)])")
_GAPS = {" ,": ",", " ;": ";", " )": ")", "( ": "(", " . ": ". ", " .\n": ".\n"}
_MARKUP = ("[", "]", "{", "}", "<", "''", "&", "__", "://")


def clean(text: str, site: WikiSite = UNKNOWN_SITE) -> str:
    """Returns the running text of a page: paragraphs, list items and headings, each on its own
    line.

    Templates, tables, references, files, categories, links to other languages, comments, formulas,
    galleries and tags are left out. Links are replaced by their text. The time is linear in the
    length of the text, also if markup is never closed.

    Args:
        text: the wikitext of the page.
        site: the names of the wiki's namespaces, which tell links to files and categories.
    """
    if any(mark in text for mark in _MARKUP):
        text = _without_markup("\n" + text, site)
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
    if any(pair in text for pair in (",;", ",)", ";)")):  # the check is cheaper than the search
        text = _COMMAS.sub(r"\1", text)
    return put_back(text)


def _without_markup(text: str, site: WikiSite) -> str:
    if "<" in text:
        text = _without_elements(text)
    if "{{{" in text:
        text = _ARGUMENT.sub(lambda argument: argument[1] or "", text)
    if "[[" in text or "{" in text:
        text = without_brackets(text, site)
    if "|" in text or "!!" in text:
        text = _ROW.sub("\n", text)
    if "''" in text:
        text = without_quotes(text)
    text = text.replace(EDGE, "")
    if GAP in text:
        while GAP + GAP in text:
            text = text.replace(GAP + GAP, GAP)
        text = _GAP_WITHIN_WORD.sub(" ", text).replace(GAP, "")
    if "//" in text or (":" in text and "[" in text):
        text = _EXTERNAL_LINK.sub(r"\1", text)
        if "://" in text:  # few texts still have one, so the check saves two searches
            text = _URL.sub("", _ANGLED_URL.sub("", text))
    if "<" in text:
        text = _TAG.sub("", _LINE_BREAK.sub(" ", _BLOCK_TAG.sub("\n", text)))
    if "__" in text:
        text = _MAGIC_LINE.sub(_unless_capitals, _MAGIC_WORD.sub(_unless_magic, text))
    if "-{" in text:
        text = _VARIANTS.sub(_variant, text)
    if any(bracket in text for bracket in "[]{}"):
        text = _STRAY_BRACKETS.sub("", text)
    if "&" in text:  # last, so that escaped characters are not taken for markup
        text = decoded(text)
    return text


def _unless_magic(word: re.Match[str]) -> str:
    """Removes a word that MediaWiki knows, or one in non-ASCII capitals, which is a wiki's own."""
    if word[1] in _MAGIC_WORDS:
        return ""
    return word[0] if word[1].isascii() else _unless_capitals(word)


def _unless_capitals(word: re.Match[str]) -> str:
    """Removes a wiki's own word in capitals, such as __KEIN_INHALTSVERZEICHNIS__ alone on its
    line.
    """
    return word[0] if word[1] != word[1].upper() else ""


def _variant(conversion: re.Match[str]) -> str:
    """Returns the first of the variants that a text has by script; "" for a rule or a title
    only.
    """
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
    elif line.startswith("----"):
        line = line.lstrip("- ")
    return line


def _without_elements(text: str) -> str:
    """Removes comments and the elements of _ELEMENT; keeps the contents of nowiki and pre
    literally.
    """
    pieces: list[str] = []
    never_closed: set[str] = set()  # from here on; avoids searching for their ends again
    at = 0
    while start := _ELEMENT.search(text, at):
        pieces.append(text[at : start.start()])
        at = start.end()
        name = (start[1] or "").lower()
        if not start[0].endswith("/>"):
            end = None if name in never_closed else _end_of(name).search(text, at)
            if end is None and name in _WITHOUT_A_TRACE:
                return "".join(pieces)  # an open comment hides the rest of the page
            if end is None:
                never_closed.add(name)
                continue
            inside, at = text[at : end.start()], end.end()
        else:
            inside = ""
        if name in _AS_IT_STANDS:
            pieces.append(put_aside(inside))
        elif name not in _WITHOUT_A_TRACE and touches(pieces):
            pieces.append(GAP)
    pieces.append(text[at:])
    return "".join(pieces)


def _end_of(name: str) -> re.Pattern[str]:
    return re.compile(rf"</{name}\s*>" if name else "-->", re.IGNORECASE)  # cached by re
