"""Compares with gensim's filter_wiki which markup is left after cleaning wikitext, and which
words.
"""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from gensim.corpora.wikicorpus import filter_wiki

from benchmarks.corpus import DATA
from benchmarks.rate import Rate
from devise_lib.text.tokens import words
from devise_lib.text.wikipedia.dump import Page, plan_ranges, read_whole_pages
from devise_lib.text.wikipedia.wikitext import clean

DUMPS = ("enwiki-shortened", "enwiki-minidump")
MARKUP = ("[[", "{{", "<ref", "|thumb", "==")


def measure() -> list[Rate]:
    """Returns words per article and, as the quality, the share of articles with markup left."""
    dumps = [DATA / "wiki" / f"{name}.xml.bz2" for name in DUMPS]
    return [_compare(path) for path in dumps if path.exists()]


def _compare(path: Path) -> Rate:
    [whole] = plan_ranges(str(path), None, 1)
    pages = (page for page in read_whole_pages(whole) if isinstance(page, Page))
    texts = [page.text for page in pages if page.namespace == 0 and page.redirect is None]
    ours, our_words = _cleaned(clean, texts)
    peer, peer_words = _cleaned(filter_wiki, texts)
    left = ", ".join(f"`{_shown(mark)}` {ours[mark]:.0f} / {peer[mark]:.0f}" for mark in ours)
    shared = (our_words & peer_words).total()
    quality = (
        f"articles with markup left, %, ours / filter_wiki: {left}; of our words filter_wiki has "
        f"{shared / our_words.total():.1%}, of its words ours {shared / peer_words.total():.1%}"
    )
    return Rate(
        f"{path.name}, {len(texts)} articles cleaned",
        "words kept an article",
        our_words.total() / len(texts),
        peer_words.total() / len(texts),
        "filter_wiki",
        quality,
    )


def _cleaned(
    cleaner: Callable[[str], str], texts: list[str]
) -> tuple[dict[str, float], Counter[str]]:
    """Returns the percentage of articles in which each kind of markup is left, and all words."""
    left: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    for text in texts:
        cleaned = cleaner(text)
        found = [mark for mark in MARKUP if mark in cleaned]
        left.update([*found, *(["any"] if found else [])])
        kept.update(words(cleaned))
    return {mark: 100 * left[mark] / len(texts) for mark in (*MARKUP, "any")}, kept


def _shown(mark: str) -> str:
    """Escapes a mark for a table of Markdown."""
    return re.sub(r"\|", r"\\|", mark)
