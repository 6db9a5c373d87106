"""Texts and tags into SENTENCES.

A text is tokenised and signed in one pass of Python. Until SENTENCES it is then one string with a
line per sentence, which Spark splits into tokens by itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import (
    ArrayType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
)

from devise_lib.console import print_line
from devise_lib.errors import InputError
from devise_lib.spark.corpus.near_duplicates import find_repeats, place, resolve_kept
from devise_lib.spark.corpus.phrases import PhraseRules, find_phrases
from devise_lib.spark.tables.caching import on_disk
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import SCHEMAS, SENTENCES
from devise_lib.text.labels.label_files import Label
from devise_lib.text.labels.label_files import phrases as phrases_of
from devise_lib.text.near_duplicates import band_and_rows, band_hashes, signature
from devise_lib.text.phrases import PhraseJoiner, joined_sentences, plural_forms
from devise_lib.text.scripts import unspaced_characters
from devise_lib.text.tokens import has_letter, tag_token

TOKENISED = StructType(
    [
        StructField("page_id", StringType()),
        StructField("words", IntegerType()),
        StructField("characters", IntegerType()),
        StructField("unspaced", IntegerType()),
        StructField("lines", StringType()),
        StructField("signature", ArrayType(LongType())),
        StructField("bands", ArrayType(LongType())),
    ]
)
TAGGED = StructType([*SENTENCES.fields, StructField("owner", StringType())])
BATCH_CHARS = 1 << 22  # A batch from Python to Spark ends with the article that exceeds it.


@dataclass(frozen=True, slots=True)
class Splitting:
    """How a text becomes tokens.

    Attributes:
        lower: put words into lower case.
        numbers: keep tokens without a letter.
        min_sentence_words: shorter sentences are left out.
        min_words: texts with fewer tokens are left out.
    """

    lower: bool = True
    numbers: bool = False
    min_sentence_words: int = 1
    min_words: int = 1


@dataclass(frozen=True, slots=True)
class Signing:
    """How a text gets its MinHash signature.

    Attributes:
        threshold: estimated Jaccard similarity, in [0, 1], from which a text is a repeat.
        num_perm: length of a signature.
        shingle: tokens per shingle.
    """

    threshold: float
    num_perm: int
    shingle: int


@dataclass(frozen=True, slots=True)
class Written:
    """What `write_texts` has written.

    Attributes:
        sentences, phrases: rows of SENTENCES and of PHRASES.
        left_out: number of texts that were left out, by reason.
        unspaced: share of the texts' characters, in [0, 1], in scripts without blanks.
    """

    sentences: int
    phrases: int
    left_out: dict[str, int]
    unspaced: float


def write_texts(
    tables: Tables,
    texts: DataFrame,
    joiner: Broadcast[PhraseJoiner],
    splitting: Splitting,
    signing: Signing,
    rules: PhraseRules,
) -> Written:
    """Write texts to NEAR_DUPLICATES, PHRASES and SENTENCES. Each text is tokenised once.

    Args:
        tables: where the tables are replaced.
        texts: page_id (each once), text.
        joiner: of the terms of labels.
        splitting, signing, rules: how texts are tokenised, compared and searched for phrases.

    Raises:
        InputError: no text is long enough; then no table changes.
    """
    with on_disk(tokenise(texts, joiner, splitting, signing)) as tokenised:
        short, long, unspaced = _totals(tokenised)
        if not long:
            raise InputError(
                f"none of {short:,} texts has a sentence and prepare_corpus.min_words = "
                f"{splitting.min_words} words: check the texts, or lower min_words"
            )
        signed = tokenised.where("lines IS NOT NULL")
        repeats = resolve_kept(find_repeats(signed, signing.threshold, signing.num_perm))
        dropped = tables.overwrite("near_duplicates", repeats)
        kept = signed.join(repeats, "page_id", "left_anti").select("page_id", "lines")
        phrases, lines = find_phrases(kept, rules, joiner)
        joined = tables.overwrite("phrases", phrases)
        rows = tables.overwrite("sentences", to_sentences(lines))
        repeats.unpersist()
    return Written(rows, joined, {"too_short": short, "near_duplicate": dropped}, unspaced)


def _totals(tokenised: DataFrame) -> tuple[int, int, float]:
    """Return the number of texts with too few words, that of the others, and the unspaced share."""
    counts = (F.count("*"), F.count("lines"), F.sum("characters"), F.sum("unspaced"))
    [(texts, long, characters, unspaced)] = tokenised.agg(*counts).collect()
    return texts - long, long, unspaced / characters if characters else 0.0


def print_unspaced(share: float) -> None:
    """Print the share of characters in scripts without blanks, if it is more than names explain."""
    if share >= 0.01:
        print_line(
            f"prepare_corpus  {share:.0%} of the characters are of scripts without blanks between "
            "words (Chinese, Japanese, Thai, Lao, Khmer, Burmese): ICU's dictionaries split them"
        )


def write_tags(tables: Tables, tagged: DataFrame) -> int:
    """Write the rows of `tag_sentences` to SENTENCES, and return their number.

    NEAR_DUPLICATES and PHRASES become empty, because tags have neither.

    Raises:
        InputError: there is no row; then no table changes.
    """
    with on_disk(tagged) as sentences:
        if sentences.isEmpty():
            raise InputError(
                "no photo has two different tags, or prepare_corpus.min_sentence_words of them: "
                "check prepare_corpus.tags_column and tag_separator"
            )
        for name in ("near_duplicates", "phrases"):
            tables.overwrite(name, tables.spark.createDataFrame([], SCHEMAS[name]))
        return tables.overwrite("sentences", sentences)


def label_joiner(
    spark: SparkSession, labels: Sequence[Label], plurals: bool
) -> Broadcast[PhraseJoiner]:
    """Return what joins the labels' terms and, with `plurals`, their English plurals to a token."""
    terms = phrases_of(labels)
    return spark.sparkContext.broadcast(PhraseJoiner(terms, plural_forms(terms) if plurals else {}))


def tokenise(
    texts: DataFrame, joiner: Broadcast[PhraseJoiner], splitting: Splitting, signing: Signing
) -> DataFrame:
    """Return the sentences and the signature of each text: rows of TOKENISED.

    `lines` has one sentence per line, with spaces between its tokens. A text of fewer than
    `splitting.min_words` tokens has only counts. `unspaced` counts the characters of scripts
    without blanks between words.

    Args:
        texts: page_id, text.
        joiner: of the terms of labels.
        splitting, signing: how texts are tokenised and signed.
    """
    bands, rows = band_and_rows(signing.threshold, signing.num_perm)

    def row(page_id: str, text: str) -> tuple[object, ...]:
        options = (splitting.lower, splitting.numbers, splitting.min_sentence_words)
        found = list(joined_sentences(text, joiner.value, *options))
        counts = (sum(map(len, found)), len(text), unspaced_characters(text))
        if counts[0] < max(1, splitting.min_words):
            return page_id, *counts, None, None, None
        signed = signature(list(chain.from_iterable(found)), signing.num_perm, signing.shingle)
        lines = "\n".join(map(" ".join, found))
        return page_id, *counts, lines, signed.view(np.int64), band_hashes(signed, bands, rows)

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        held, chars = [], 0
        for batch in batches:
            for page_id, value in zip(*batch.columns, strict=True):
                text = value.as_py() or ""
                held.append(row(page_id.as_py(), text))
                chars += len(text)
                if chars >= BATCH_CHARS:
                    yield _arrow_batch(held, TOKENISED)
                    held, chars = [], 0
        yield _arrow_batch(held, TOKENISED)

    return texts.select("page_id", "text").mapInArrow(run, TOKENISED)


def to_sentences(lines: DataFrame) -> DataFrame:
    """Return rows of SENTENCES from page_id and lines."""
    cut = lines.select("page_id", F.posexplode(F.split("lines", "\n")).alias("position", "line"))
    return cut.select("page_id", "position", F.split("line", " ").alias("tokens"))


def tag_sentences(photos: DataFrame, lower: bool, numbers: bool, min_tags: int) -> DataFrame:
    """Return each photo's tags as one sentence, in their order and each once: rows of SENTENCES.

    Photos of fewer than `min_tags` different tags are left out. The same tags on several photos of
    one owner, as on a series of shots, count once, for the first photo by its id.

    Args:
        photos: page_id, owner (null: every photo counts) and tags (array of strings).
        lower: put tags into lower case.
        numbers: keep tags without any letter.
        min_tags: least number of different tags of a photo.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows: list[tuple[object, ...]] = []
            for values in zip(*batch.columns, strict=True):
                page_id, owner, tags = (value.as_py() for value in values)
                tokens = _tag_tokens(tags or [], lower, numbers)
                if len(tokens) >= min_tags:
                    rows.append((page_id, 0, tokens, owner))
            yield _arrow_batch(rows, TAGGED)

    tagged = photos.select("page_id", "owner", "tags").mapInArrow(run, TAGGED)
    series = tagged.where("owner IS NOT NULL").groupBy("owner", F.array_sort("tokens"))
    first = series.agg(
        F.min_by(F.struct("page_id", "tokens"), place("page_id")).alias("first")
    ).select("first.*", F.lit(0).alias("position"))
    alone = tagged.where("owner IS NULL")
    return alone.select(SENTENCES.names).union(first.select(SENTENCES.names))


def _tag_tokens(tags: list[str | None], lower: bool, numbers: bool) -> list[str]:
    tokens = dict.fromkeys(tag_token(tag, lower) for tag in tags if tag)
    return [token for token in tokens if (numbers and token) or has_letter(token)]


def _arrow_batch(rows: list[tuple[object, ...]], schema: StructType) -> pa.RecordBatch:
    types = [field.type for field in to_arrow_schema(schema)]
    columns = zip(*rows, strict=True) if rows else [()] * len(types)
    arrays = [pa.array(c, t) for c, t in zip(columns, types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=schema.names)
