"""Statistical phrases of a corpus: found by counting in Spark, and joined on the workers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
from pyspark import Broadcast, StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.spark.tables.schemas import PHRASES
from devise_lib.text.phrase_scores import Scoring, score_bigrams
from devise_lib.text.phrases import PhraseJoiner

SCORED = "first string, second string, count long, score double"
LINES = "page_id string, lines string"


@dataclass(frozen=True, slots=True)
class PhraseRules:
    """Which pairs of tokens are phrases.

    Attributes:
        passes: how often to count and join; 0: no phrases.
        min_count, threshold, scoring: as in gensim's Phrases; a score must be above the threshold.
        max_phrases: of each pass, the most frequent ones. They pass through the driver and are in
            the memory of every worker process: 70 MB for 200,000.
    """

    passes: int
    min_count: int
    threshold: float
    scoring: Scoring
    max_phrases: int


def find_phrases(
    lines: DataFrame, rules: PhraseRules, labels: Broadcast[PhraseJoiner]
) -> tuple[DataFrame, DataFrame]:
    """Return the phrases of a corpus, and the corpus with them joined.

    Each pass counts tokens that the passes before it have joined, so the second pass finds phrases
    of up to four words. The second token of a phrase begins no other phrase in the same pass, as in
    word2phrase. The tokens of `labels` never become part of a longer phrase, because the corpus is
    for their vectors.

    Args:
        lines: page_id, and lines from `tokenise`; read once per pass.
        rules: which pairs are phrases; a pass that finds none is the last.
        labels: the joiner of the labels' terms, which the lines have been through.

    Returns:
        Rows of PHRASES; and page_id, lines.
    """
    spark = lines.sparkSession
    found: list[tuple[object, ...]] = []
    joiners: list[Broadcast[PhraseJoiner]] = []
    for number in range(1, rules.passes + 1):
        chosen = choose_pairs(join_lines(lines, joiners), rules, labels)
        if not chosen:
            break
        joiner = PhraseJoiner([(first, second) for first, second, _, _ in chosen])
        joiners.append(spark.sparkContext.broadcast(joiner))
        for first, second, count, score in chosen:
            phrase = f"{first}_{second}"
            found.append((phrase, phrase.split("_"), count, score, number))
    return spark.createDataFrame(found, PHRASES), join_lines(lines, joiners)


def choose_pairs(
    lines: DataFrame, rules: PhraseRules, labels: Broadcast[PhraseJoiner]
) -> list[tuple[str, str, int, float]]:
    """Return the phrases of one pass: first token, second token, count, score; most frequent first.

    Args:
        lines: with the phrases of earlier passes joined.
        rules: which pairs are phrases.
        labels: the joiner of the labels' terms.
    """
    pairs = _count_pairs(lines).persist(StorageLevel.DISK_ONLY)
    words = pairs.groupBy("first").agg(F.sum("count").alias("count"))
    bigrams = pairs.where("second IS NOT NULL")
    [size] = words.agg(F.count("*").alias("distinct"), F.sum("count").alias("all")).collect()
    vocabulary, corpus_words = size["distinct"] + bigrams.count(), size["all"] or 0
    first, second = (
        words.select(F.col("first").alias(name), F.col("count").alias(f"{name}_count"))
        for name in ("first", "second")
    )
    common = bigrams.where(F.col("count") >= rules.min_count).join(first, "first")

    def score(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        kept = labels.value.tokens()
        for batch in batches:
            free = batch[~(batch["first"].isin(kept) | batch["second"].isin(kept))]
            counts = free[["first_count", "second_count", "count"]]
            scores = score_bigrams(
                counts.itertuples(index=False, name=None),
                vocabulary,
                corpus_words,
                rules.min_count,
                rules.scoring,
            )
            scored = free[["first", "second", "count"]].assign(score=scores)
            yield scored[scores > rules.threshold]

    scored = common.join(second, "second").mapInPandas(score, SCORED)
    best = scored.orderBy(F.desc("count"), F.desc("score"), "first", "second")
    rows = best.limit(rules.max_phrases).collect()
    pairs.unpersist()
    return [(row["first"], row["second"], row["count"], row["score"]) for row in rows]


def _count_pairs(lines: DataFrame) -> DataFrame:
    """Return how often each token stands before each other one: first, second, count.

    `second` is null at the end of a line, so the counts of a first token add up to all of its
    occurrences.
    """
    line = lines.select(F.explode(F.split("lines", "\n")).alias("line"))
    tokens = line.select(F.split("line", " ").alias("tokens"))
    following = F.slice("tokens", 2, F.size("tokens"))
    pair = F.zip_with(
        "tokens", following, lambda a, b: F.struct(a.alias("first"), b.alias("second"))
    )
    return tokens.select(F.inline(pair)).groupBy("first", "second").count()


def join_lines(lines: DataFrame, joiners: Sequence[Broadcast[PhraseJoiner]]) -> DataFrame:
    """Return page_id, and lines with the phrases of each joiner joined, one after the other."""
    if not joiners:
        return lines.select("page_id", "lines")

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        joins = [joiner.value.join for joiner in joiners]

        def joined_line(line: str) -> str:
            tokens = line.split(" ")
            for join in joins:
                tokens = join(tokens)
            return " ".join(tokens)

        def joined(text: str) -> str:
            return "\n".join(map(joined_line, text.split("\n")))

        for batch in batches:
            page_ids, texts = batch.columns
            arrays = [page_ids, pa.array([joined(text.as_py()) for text in texts], pa.string())]
            yield pa.RecordBatch.from_arrays(arrays, names=["page_id", "lines"])

    return lines.select("page_id", "lines").mapInArrow(run, LINES)
