"""Measures reading, cleaning and tokenising a dump.

The peer on one core is gensim's WikiCorpus. In Spark it is Spark's own XML source with the same
cleaning, with 1, 2 and 4 tasks on as many cores.
"""

import bz2
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # it runs itself in separate sessions

from benchmarks.corpus import DATA  # noqa: E402 - found by the line above
from benchmarks.rate import Rate  # noqa: E402 - found by the line above

DUMPS = {"enwiki-shortened": "wikitext", "enwiki-text-multistream": "extracted text"}
TASKS = {"enwiki-shortened": (1,), "enwiki-text-multistream": (1, 2, 4)}  # the first: one stream
PAGES = 1_000  # of the comparison on one core


def measure() -> list[Rate]:
    """Returns articles per second, each of the same pages; nothing if DEVISE_DATA is absent."""
    rates = []
    for name, kind in DUMPS.items():
        path = DATA / "wiki" / f"{name}.xml.bz2"
        if path.exists():
            rates.append(_against_wikicorpus(path, kind))
            rates += [_against_xml_source(path, tasks) for tasks in TASKS[name]]
    return rates


def _against_wikicorpus(path: Path, kind: str) -> Rate:
    from gensim.corpora.wikicorpus import extract_pages, process_article

    from devise_lib.text.tokens import sentences
    from devise_lib.text.wikipedia.dump import plan_ranges, read_pages
    from devise_lib.text.wikipedia.wikitext import clean

    started = time.process_time()
    pages = words = 0
    [whole] = plan_ranges(str(path), None, 1)
    for page in islice((p for p in read_pages(whole) if _is_article(p)), PAGES):
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
    return Rate(
        f"{path.name} ({kind}) to tokens",
        "articles per CPU second",
        ours,
        peer,
        "WikiCorpus",
        f"{words / pages:,.0f} words an article, WikiCorpus {peer_words / peer_pages:,.0f}",
    )


def _is_article(page: Any) -> bool:
    return page.namespace == 0 and page.redirect is None


def _against_xml_source(path: Path, tasks: int) -> Rate:
    done = subprocess.run(
        [sys.executable, __file__, str(path), str(tasks)],
        capture_output=True,
        text=True,
        check=True,
        cwd=HERE.parent,
    )
    ours, peer = json.loads(done.stdout.splitlines()[-1])
    quality = (
        f"{ours['articles']:,} articles, {ours['words']:,} words in {ours['tasks']} tasks; "
        f"XML source {peer['articles']:,}, {peer['words']:,} in {peer['tasks']}"
    )
    return Rate(
        f"{path.name} to tokens in Spark, {tasks} tasks, {min(tasks, os.cpu_count() or 1)} cores",
        "articles/s",
        ours["articles"] / ours["seconds"],
        peer["articles"] / peer["seconds"],
        "Spark's XML source",
        quality,
    )


def _in_spark(path: str, tasks: int) -> None:
    """Prints what both took, as JSON. The first reading of each is of a small dump, as a
    warm-up.
    """
    from devise_lib.spark.corpus.articles import articles_of, read_articles
    from devise_lib.spark.platform.session import start_session
    from devise_lib.text.wikipedia.dump import plan_ranges

    # As many cores as tasks. The XML source reads in the JVM beside the Python worker, so one task
    # uses two cores. Ours reads in as many further processes as there are tasks.
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:tasks]))
    spark = start_session("bench_text", {"master": f"local[{tasks}]", "driver.memory": "2g"})
    spark.conf.set("spark.sql.files.maxPartitionBytes", "4m")  # if the XML source can split

    def ours(dump: str) -> Any:
        ranges = plan_ranges(dump, None, tasks)
        articles = articles_of(read_articles(spark, ranges, (0,)))
        return articles.where("redirect IS NULL").select("text").mapInArrow(_count(str), COUNTS)

    def xml_source(dump: str) -> Any:
        from devise_lib.text.wikipedia.wikitext import clean

        pages = spark.read.format("xml").option("rowTag", "page").schema(PAGE).load(dump)
        texts = pages.where("ns = 0 AND redirect IS NULL").select("revision.text._VALUE")
        return texts.mapInArrow(_count(clean), COUNTS)

    found = []
    for read in (ours, xml_source):
        _time(read, str(Path(path).with_name("enwiki-10k.xml.bz2")))
        found.append(_time(read, path))
    print(json.dumps(found))
    spark.stop()


COUNTS = "articles long, words long"
PAGE = "ns int, redirect struct<_title: string>, revision struct<text: struct<_VALUE: string>>"


def _count(cleaned: Callable[[str], str]) -> Any:
    def count(batches: Any) -> Any:
        import pyarrow as pa

        from devise_lib.text.tokens import sentences

        for batch in batches:
            texts = batch.column(0).to_pylist()
            words = [sum(map(len, sentences(cleaned(text or "")))) for text in texts]
            yield pa.RecordBatch.from_pydict({"articles": [len(texts)], "words": [sum(words)]})

    return count


def _time(read: Callable[[str], Any], dump: str) -> dict[str, float]:
    started = time.perf_counter()
    counts = read(dump)
    total = counts.groupBy().sum("articles", "words").collect()[0]
    seconds = time.perf_counter() - started
    return {
        "articles": total[0],
        "words": total[1],
        "seconds": seconds,
        "tasks": counts.rdd.getNumPartitions(),
    }


if __name__ == "__main__":
    _in_spark(sys.argv[1], int(sys.argv[2]))
