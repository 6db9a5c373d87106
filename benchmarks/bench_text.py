"""Reading, cleaning and tokenising a dump against gensim's WikiCorpus; both on one core."""

import bz2
import os
import time
from itertools import islice
from pathlib import Path

from gensim.corpora.wikicorpus import extract_pages, process_article

from benchmarks.rate import Rate
from devise_lib.text.dump import plan_ranges, read_pages
from devise_lib.text.tokens import sentences
from devise_lib.text.wikitext import clean

DATA = Path(os.environ.get("DEVISE_DATA", "../shared/data"))
DUMPS = {"enwiki-shortened": "wikitext", "enwiki-text-multistream": "extracted text"}
PAGES = 1_000


def measure() -> list[Rate]:
    """Articles a second, each of the same pages; none where DEVISE_DATA is absent."""
    dumps = {DATA / "wiki" / f"{name}.xml.bz2": kind for name, kind in DUMPS.items()}
    return [_compare(path, kind) for path, kind in dumps.items() if path.exists()]


def _compare(path: Path, kind: str) -> Rate:
    started = time.process_time()
    pages = words = 0
    [whole, *_] = plan_ranges(str(path), None, 1)
    for page in islice((p for p in read_pages(whole) if not p.redirect), PAGES):
        pages += 1
        words += sum(len(tokens) for tokens in sentences(clean(page.text)))
    ours = pages / (time.process_time() - started)

    started = time.process_time()
    peer_pages = peer_words = 0
    with bz2.open(path) as stream:
        texts = (
            (t, x, i) for t, x, i in extract_pages(stream, ("0",)) if "#REDIRECT" not in x[:20]
        )
        for title, text, page_id in islice(texts, PAGES):
            peer_pages += 1
            peer_words += len(process_article((text, title, page_id))[0])
    peer = peer_pages / (time.process_time() - started)
    quality = f"{words / pages:,.0f} words an article, WikiCorpus {peer_words / peer_pages:,.0f}"
    return Rate(
        f"{path.name} ({kind}) to tokens",
        "articles per CPU second",
        ours,
        peer,
        "WikiCorpus",
        quality,
    )
