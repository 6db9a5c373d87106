"""ARTICLES to SENTENCES: near-duplicates left out, label phrases joined."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from devise_lib.spark.schemas import SENTENCES
from devise_lib.text.near_duplicates import band_and_rows, band_hashes, signature
from devise_lib.text.tokens import PhraseJoiner, sentences, words

ARROW_SENTENCES = pa.schema(
    [("page_id", pa.string()), ("position", pa.int32()), ("tokens", pa.list_(pa.string()))]
)
SIGNED = "page_id string, signature array<long>, bands array<long>"


def running_text(articles: DataFrame, min_words: int) -> DataFrame:
    """The articles that hold sentences: no redirect, no disambiguation, not too short."""
    spaces = F.length("text") - F.length(F.replace("text", F.lit(" "), F.lit("")))
    is_text = F.col("redirect").isNull() & ~F.col("is_disambiguation")
    return articles.where(is_text & (spaces + 1 >= min_words)).select("page_id", "text")


def near_duplicates(
    articles: DataFrame, threshold: float, num_perm: int, shingle: int
) -> DataFrame:
    """The articles that repeat another, as rows of NEAR_DUPLICATES.

    MinHash signatures cut into bands; articles that share a band meet in its bucket, and each is
    compared with the bucket's first. No bucket, however full, makes more pairs than members.

    Args:
        articles: page_id, text.
        threshold: Jaccard similarity of the shingles from which on an article is left out.
        num_perm, shingle: see devise_lib.text.near_duplicates.
    """
    bands, rows = band_and_rows(threshold, num_perm)

    def sign(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            signed = [signature(words(text), num_perm, shingle) for text in batch["text"]]
            yield pd.DataFrame(
                {
                    "page_id": batch["page_id"],
                    "signature": [s.view(np.int64) for s in signed],
                    "bands": [band_hashes(s, bands, rows) for s in signed],
                }
            )

    signed = articles.mapInPandas(sign, SIGNED).withColumn("place", _place("page_id"))
    member = F.struct("place", "page_id", "signature")
    buckets = signed.select(F.explode("bands").alias("bucket"), member.alias("member"))
    first = buckets.groupBy("bucket").agg(F.min("member").alias("first"))
    pairs = buckets.join(first, "bucket").where("member.place > first.place")
    close = pairs.select(
        F.col("member.page_id").alias("page_id"),
        F.col("first.page_id").alias("kept_page_id"),
        F.col("first.place").alias("place"),
        _jaccard("member.signature", "first.signature", num_perm).alias("jaccard"),
    ).where(F.col("jaccard") >= threshold)
    best = F.min_by(F.struct("kept_page_id", "jaccard"), "place")
    return close.groupBy("page_id").agg(best.alias("kept")).select("page_id", "kept.*")


def to_sentences(articles: DataFrame, joiner: Broadcast[PhraseJoiner]) -> DataFrame:
    """Each article's sentences, tokenised, with the phrases joined: rows of SENTENCES."""

    def split(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        join = joiner.value.join
        for batch in batches:
            rows = [
                (page_id, position, join(tokens))
                for page_id, text in zip(*(c.to_pylist() for c in batch.columns), strict=True)
                for position, tokens in enumerate(sentences(text))
            ]
            columns = zip(*rows, strict=True) if rows else ([], [], [])
            arrays = [pa.array(c, t) for c, t in zip(columns, ARROW_SENTENCES.types, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=ARROW_SENTENCES)

    return articles.select("page_id", "text").mapInArrow(split, SENTENCES)


def _place(page_id: str) -> Column:
    """Orders ids by their number where they are numbers, and by their letters otherwise."""
    return F.struct(F.length(page_id), F.col(page_id))


def _jaccard(one: str, other: str, num_perm: int) -> Column:
    """The share of equal places of two signatures."""
    equal = F.zip_with(one, other, lambda a, b: (a == b).cast("int"))
    return F.aggregate(equal, F.lit(0), lambda total, same: total + same) / num_perm
