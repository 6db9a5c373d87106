"""Which pages are no articles: redirects and disambiguation pages, told by their wikitext."""

import re
from collections.abc import Collection

# "#REDIRECT [[target]]" holds in every wiki. Each wiki has a word of its own language beside it,
# which no dump names. Any word counts where the page has nothing else but templates and links.
_REDIRECT = re.compile(
    r"\s*#(?:(?i:redirect)|(?P<local>[^\W\d][\w-]{1,40}))\s*:?\s*"
    r"\[\[:?(?P<target>[^\[\]|\n]+)(?:\|[^\[\]\n]*)?\]\]"
)
_REST_OF_REDIRECT = re.compile(r"(?:\s|\{\{[^{}]*\}\}|\[\[[^\[\]]*\]\]|__\w+__)*")

# The templates and the remarks behind titles by which wikis mark a disambiguation page. No dump
# names them, so this list is not whole; parse_wikipedia.disambiguation_templates adds to it.
_MARKS = """
    aimai; anlam ayrımı; apartigilo; argipen; begriffsklärung; desambig; desambiguació;
    desambiguación; desambiguação; dezambiguizare; disambigua; disambiguasi; discretiva;
    doorverwijspagina; egyért; egyértelműsítő lap; flertydig; förgrening; homonymie; kthjellim;
    nozīmju atdalīšana; nuorodinis; nūzeimu škiršona; nyahkekaburan; razdvojba; razločitev;
    rozcestník; rozlišovacia stránka; täpsustuslehekülg; täsmennyssivu; ujednoznacznienie;
    višeznačna odrednica; định hướng; αποσαφήνιση; багатозначність; вишезначна одредница;
    неадназначнасць; неоднозначность; неоднозначність; појаснување; пояснение; բազմիմաստություն;
    მრავალმნიშვნელოვანი; פירושונים; توضيح; ابهام‌زدایی; ضد ابہام; बहुविकल्पी; निःसंदिग्धीकरण;
    দ্ব্যর্থতা নিরসন; பக்கவழி நெறிப்படுத்தல்; అయోమయ నివృత్తి; ದ್ವಂದ್ವ ನಿವಾರಣೆ; വിവക്ഷകൾ; แก้ความกำกวม;
    동음이의; 曖昧さ回避; 消歧义; 消歧義
"""  # noqa: RUF001 - Turkish has this letter
_TEMPLATES_ALONE = "dab; dp; geodis; given name; hndis; mathdab; surname"
# As templates, some of these stand in articles and name the other meanings of their title.
_REMARKS_ALONE = """
    andre betydninger; argipena; olika betydelser; reikšmės; täpsustus; значення; значения;
    значэнні; σημασίες; այլ կիրառումներ
"""
_REMARK = re.compile(r"\(([^()]+)\)\s*$")
_TEMPLATE_NAME = re.compile(r"\{\{\s*([^{}|<>\n]+)")
# {{Disambiguation}}, {{Disambig-cleanup}}, {{Human name disambiguation}}; but not {{disambiguation
# needed}} and its like, which stand behind a link within an article.
_ENGLISH_TEMPLATE = re.compile(r"disamb(?!.*\bneeded\b)|.*\bdisambig(?:uation)?$")
_MAY_REFER = re.compile(
    r"\b(?:may|can|could|might) (?:also )?refer to\b[^.\n]{0,40}:\s*$", re.MULTILINE
)


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").split()).casefold()


def _plain_names(names: str) -> frozenset[str]:
    return frozenset(_plain(name) for name in names.split(";"))


_TEMPLATES = _plain_names(_MARKS) | _plain_names(_TEMPLATES_ALONE)
_REMARKS = _plain_names(_MARKS) | _plain_names(_REMARKS_ALONE) | {"disambiguation"}


def redirect_target(text: str) -> str | None:
    """The title that a page's wikitext redirects to; None where the page is no redirect.

    Dumps before schema 0.6 have no other mark of a redirect.
    """
    found = _REDIRECT.match(text)
    if found is None or (found["local"] and not _REST_OF_REDIRECT.fullmatch(text, found.end())):
        return None
    return found["target"].replace("_", " ").strip()


def is_disambiguation(text: str, title: str, templates: Collection[str] = ()) -> bool:
    """Whether a page only lists the pages that its title may mean.

    Args:
        text: the wikitext of the page.
        title: its title.
        templates: names of further templates that mark such pages in this wiki.
    """
    if (remark := _REMARK.search(title)) and _plain(remark[1]) in _REMARKS:
        return True
    if _MAY_REFER.search(text[:500]):
        return True
    marks = _TEMPLATES.union(map(_plain, templates)) if templates else _TEMPLATES
    names = {_plain(name) for name in _TEMPLATE_NAME.findall(text)}
    return not names.isdisjoint(marks) or any(map(_ENGLISH_TEMPLATE.match, names))
