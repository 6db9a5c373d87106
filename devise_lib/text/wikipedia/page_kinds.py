"""Recognises pages that are no articles (redirects and disambiguation pages) by their wikitext."""

import re
from collections.abc import Collection

from devise_lib.text.wikipedia.site import plain_name

# "#REDIRECT [[target]]" is valid in every wiki. Each wiki also has a word of its own language,
# which no dump names. Any word counts if the page has nothing else but templates and links.
_REDIRECT = re.compile(
    r"\s*#(?:(?i:redirect)|(?P<local>[^\s\[\]:{}<>]{2,40}))\s*+(?::\s*+)?"
    r"\[\[:?(?P<target>[^\[\]|\n]+)(?:\|[^\[\]\n]*)?\]\]"
)
_REST_OF_REDIRECT = re.compile(r"(?:\s++|\{\{[^{}]*\}\}|\[\[[^\[\]]*\]\]|__[^\W_]\w*?__)*+")

# The templates and the remarks after titles by which wikis mark a disambiguation page. No dump
# names them, so this list is incomplete; parse_wikipedia.disambiguation_templates extends it.
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
# Remarks only: as templates, some of these occur in articles and name other meanings of the title.
_REMARKS_ALONE = """
    andre betydninger; argipena; olika betydelser; reikšmės; täpsustus; значення; значения;
    значэнні; σημασίες; այլ կիրառումներ
"""
_REMARK = re.compile(r"\(([^()]+)\)\s*$")
_TEMPLATE_NAME = re.compile(r"\{\{\s*([^{}|<>\n]+)")
# {{Disambiguation}}, {{Disambig-cleanup}}, {{Human name disambiguation}}; but not {{disambiguation
# needed}} and {{for disambiguation}}, which occur in articles.
_ENGLISH_TEMPLATE = re.compile(
    r"disamb(?!.*\bneeded\b)|(?!for |see |about |other |redirect).*\bdisambig(?:uation)?$"
)
_VARIANT = re.compile(r"[-/].*")  # of a template: hndis-cleanup, homonymie/x
_MAY_REFER = re.compile(
    r"\b(?:may|can|could|might) (?:also )?refer to\b[^.\n]{0,40}:\s*$", re.MULTILINE
)


def _plain_names(names: str) -> frozenset[str]:
    return frozenset(plain_name(name) for name in names.split(";"))


_TEMPLATES = _plain_names(_MARKS) | _plain_names(_TEMPLATES_ALONE)
_REMARKS = _plain_names(_MARKS) | _plain_names(_REMARKS_ALONE) | {"disambiguation"}


def redirect_target(text: str) -> str | None:
    """Returns the title to which a page's wikitext redirects, without a section; None for no
    redirect.

    Dumps before schema 0.6 mark redirects in no other way.
    """
    found = _REDIRECT.match(text)
    if found is None or (found["local"] and not _REST_OF_REDIRECT.fullmatch(text, found.end())):
        return None
    title = found["target"].partition("#")[0].replace("_", " ").strip()
    return title[:1].upper() + title[1:]  # as most wikis begin their titles


def is_disambiguation(text: str, title: str, templates: Collection[str] = ()) -> bool:
    """Returns whether a page only lists the pages that its title may mean.

    Args:
        text: the wikitext of the page.
        title: of the page.
        templates: names of further templates that mark such pages in this wiki.
    """
    if (remark := _REMARK.search(title)) and plain_name(remark[1]) in _REMARKS:
        return True
    if _MAY_REFER.search(text[:500]):
        return True
    marks = _TEMPLATES.union(map(plain_name, templates)) if templates else _TEMPLATES
    names = {plain_name(name) for name in _TEMPLATE_NAME.findall(text)}
    if not names.isdisjoint(marks) or any(map(_ENGLISH_TEMPLATE.match, names)):
        return True
    return any(_VARIANT.sub("", name) in marks for name in names if "-" in name or "/" in name)
