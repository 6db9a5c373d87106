"""The schemas of the tables in which jobs meet. Each comment becomes a column comment in Delta."""

from dataclasses import dataclass

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

STRING, INT, LONG, DOUBLE = StringType(), IntegerType(), LongType(), DoubleType()
BOOLEAN, BINARY, TIMESTAMP = BooleanType(), BinaryType(), TimestampType()
STRINGS, VECTOR = ArrayType(StringType()), ArrayType(FloatType())


def _table(*columns: tuple[str, DataType, str]) -> StructType:
    return StructType([StructField(name, kind, True, {"comment": c}) for name, kind, c in columns])


ARTICLES = _table(
    ("page_id", STRING, "Id of the page in its wiki"),
    ("revision_id", STRING, "Id of the revision that the text is of"),
    ("namespace", INT, "Namespace of the page; 0 is the articles"),
    ("title", STRING, "Title of the page"),
    ("redirect", STRING, "Title that the page redirects to; null for a page with a text"),
    ("is_disambiguation", BOOLEAN, "The page lists the meanings of its title"),
    ("timestamp", TIMESTAMP, "Time of the revision, UTC"),
    ("text", STRING, "Clean text; sections and paragraphs are lines"),
    ("source", STRING, "Dump file, with the byte range it was read in"),
)

REFUSED_RANGES = _table(
    ("path", STRING, "Dump file that is damaged"),
    ("start", LONG, "First byte of the damaged bz2 stream, in plain XML of the damaged page"),
    ("stop", LONG, "Byte from which reading went on, or where the range ended"),
    ("reason", STRING, "Class: truncated, corrupt, not_well_formed, count_differs"),
    ("message", STRING, "What was wrong"),
    ("last_page_id", STRING, "Last whole page before, in its byte range; null if none"),
    ("last_title", STRING, "Title of the last whole page before"),
    ("first_page_id", STRING, "First whole page after, in its byte range; null if none"),
    ("first_title", STRING, "Title of the first whole page after"),
    ("pages_lost", LONG, "Pages of the index that were not found; null without an index"),
    ("run_id", STRING, "MLflow run that wrote the row"),
)

SENTENCES = _table(
    ("page_id", STRING, "Id of the article, text or photo that the sentence is of"),
    ("position", INT, "Place of the sentence in its text, from 0; the tags of a photo are one"),
    ("tokens", STRINGS, "Words, or tags; the words of a label's term, phrase or tag joined by _"),
)

NEAR_DUPLICATES = _table(
    ("page_id", STRING, "Article or text that was left out of SENTENCES"),
    ("kept_page_id", STRING, "The one in SENTENCES that stands for it"),
    ("similar_page_id", STRING, "The one that it was compared with; it may be left out as well"),
    ("jaccard", DOUBLE, "Estimated similarity to similar_page_id: Jaccard of their shingles"),
    ("reason", STRING, "Why it was left out: near_duplicate"),
)

PHRASES = _table(
    ("phrase", STRING, "Token of the phrase: its words joined by _"),
    ("words", STRINGS, "Its words"),
    ("count", LONG, "How often its two parts stood side by side in the pass that found it"),
    ("score", DOUBLE, "Score of gensim's Phrases; comparable within one pass of one corpus"),
    ("pass", INT, "Pass that found it, from 1; later ones join what earlier ones have joined"),
)

WORD_VECTORS = _table(
    ("word", STRING, "Token; the words of a phrase are joined by _"),
    ("count", LONG, "Occurrences in SENTENCES; null where a file of vectors told none"),
    ("rank", INT, "Place by count, 1 is the commonest; in a file's order where it has no counts"),
    ("vector", VECTOR, "Word vector as trained, not normalised"),
)

LABELS = _table(
    ("label", STRING, "Id of the label: a folder's name, or a WordNet id"),
    ("label_set", STRING, "The set that the label belongs to"),
    ("terms", STRINGS, "The label's names, best first"),
    ("term", STRING, "Name whose vector the label has"),
    ("coverage", STRING, "exact (first name), synonym, averaged (words), missing; or attributes"),
    ("seen", BOOLEAN, "Photos of the label may be trained on"),
    ("aliases", STRINGS, "Other labels of photos that mean this one"),
    ("vector", VECTOR, "Word vector of the label, or attributes, unit L2 norm; null where missing"),
    ("random_vector", VECTOR, "Random unit vector: the control without words; null as vector is"),
    ("words_id", STRING, "Id of the word vectors, or of the attributes, that vector is from"),
)

PHOTOS = _table(
    ("photo_id", STRING, "Stable id: hash of photo_set and the path within its source"),
    ("photo_set", STRING, "Name of the source that the photo came from"),
    ("path", STRING, "Where the file was; in an archive ARCHIVE!MEMBER, of CIFAR FILE!RECORD"),
    ("label", STRING, "Label that its path, list or record tells; null where none"),
    ("owner", STRING, "Whose it is: a gallery, a photographer; null where nothing tells"),
    ("test_share", DOUBLE, "Share of its source kept for testing; null: as the run says"),
    ("size_bytes", LONG, "Size of the file"),
    ("modification_time", TIMESTAMP, "Time of the file's last change, UTC"),
    ("sha256", STRING, "SHA-256 of the file, hexadecimal"),
    ("revision", INT, "1, and one more each time the file was found changed"),
    ("removed", TIMESTAMP, "When a run found the file gone, UTC; null while it is there"),
    ("run_id", STRING, "MLflow run that wrote the row"),
    ("content", BINARY, "The file; null where it stays at its path"),
)

QUARANTINE = _table(
    ("photo_id", STRING, "PHOTOS.photo_id"),
    ("photo_set", STRING, "Name of the source that the photo came from"),
    ("path", STRING, "Where the file was"),
    ("size_bytes", LONG, "Size of the file; null where it could not be told"),
    ("modification_time", TIMESTAMP, "Time of the file's last change, UTC"),
    ("sha256", STRING, "SHA-256 of the file, hexadecimal; null where it could not be read"),
    ("stage", STRING, "Job that refused the photo: ingest_photos, embed_photos"),
    ("reason", STRING, "Class of the reason: empty, truncated, not_an_image, ..."),
    ("message", STRING, "What was wrong with it"),
    ("model_id", STRING, "Model that was to embed it; null at ingest"),
    ("run_id", STRING, "MLflow run that wrote the row"),
)

INGESTED_ARCHIVES = _table(
    ("photo_set", STRING, "Name of the source that the archive belongs to"),
    ("path", STRING, "Tar, or file of CIFAR's records, of which every photo was taken or refused"),
    ("size_bytes", LONG, "Size of the archive"),
    ("modification_time", TIMESTAMP, "Time of the archive's last change, UTC"),
    ("include", STRING, "What its source took of it: ingest_photos.source.include"),
    ("run_id", STRING, "MLflow run that wrote the row"),
)

PIXELS = _table(
    ("label", STRING, "LABELS.label, aliases resolved"),
    ("fold", INT, "As of FEATURES; null where nothing is held out"),
    ("is_validation_photo", BOOLEAN, "As of FEATURES"),
    ("pixels", BINARY, "RGB, image_size x image_size x 3, uint8, row by row"),
)

FEATURES = _table(
    ("photo_id", STRING, "PHOTOS.photo_id"),
    ("photo_set", STRING, "Name of the source that the photo came from"),
    ("label", STRING, "LABELS.label, aliases resolved"),
    ("seen", BOOLEAN, "LABELS.seen"),
    ("split", STRING, "train, or test: of an unseen label, or in the share for testing"),
    ("fold", INT, "Part of the labels that this one is held out with while settings are chosen"),
    ("is_validation_photo", BOOLEAN, "Whether the photo itself is kept from fitting then"),
    ("backbone_id", STRING, "Backbone that made the feature"),
    ("feature", VECTOR, "Pooled features of the backbone, as they come"),
)

EMBEDDINGS = _table(
    ("photo_id", STRING, "PHOTOS.photo_id"),
    ("model_id", STRING, "Registered model and version that made the embedding"),
    ("photo_set", STRING, "Name of the source that the photo came from"),
    ("label", STRING, "PHOTOS.label when the photo was embedded"),
    ("sha256", STRING, "PHOTOS.sha256 of the file that was embedded"),
    ("run_id", STRING, "MLflow run that wrote the row"),
    ("feature", VECTOR, "What the backbone makes of the photo; null unless it is kept"),
    ("embedding", VECTOR, "Photo in the space of words, unit L2 norm"),
)

CURRENT_MODELS = _table(
    ("model_id", STRING, "Model whose embeddings are complete"),
    ("since", TIMESTAMP, "When it became the one that embeddings_current shows, UTC"),
    ("run_id", STRING, "MLflow run that wrote the row"),
)

SIGNATURES = _table(
    ("photo_id", STRING, "PHOTOS.photo_id"),
    ("model_id", STRING, "Model of the embedding that was hashed"),
    ("hash_id", STRING, "HASHES.hash_id"),
    ("buckets", ArrayType(LongType()), "Bucket in each hash table; bit i is hyperplane i"),
)

HASHES = _table(
    ("hash_id", STRING, "Id of the hash: its parameters and its model"),
    ("model_id", STRING, "Model whose embeddings it hashes"),
    ("dimension", INT, "Numbers of an embedding"),
    ("bits", INT, "Hyperplanes a table"),
    ("tables", INT, "Hash tables"),
    ("seed", INT, "Seed of the hyperplanes"),
    ("hyperplanes", VECTOR, "(tables * bits, dimension), row by row"),
)

NEIGHBOURS = _table(
    ("photo_id", STRING, "PHOTOS.photo_id"),
    ("neighbour_id", STRING, "photo_id of the neighbour"),
    ("rank", INT, "1 is the nearest"),
    ("score", FloatType(), "Cosine of the two embeddings"),
    ("model_id", STRING, "Model of both embeddings"),
    ("source", STRING, "Index bundle or hash that found it"),
)

PREDICTIONS = _table(
    ("photo_id", STRING, "PHOTOS.photo_id"),
    ("rank", INT, "1 is the best"),
    ("label", STRING, "LABELS.label"),
    ("term", STRING, "The label's name"),
    ("seen", BOOLEAN, "Photos of the label may be trained on"),
    ("score", FloatType(), "Cosine of the photo's embedding and the label's vector"),
    ("model_id", STRING, "Model of the embedding"),
)

METRICS = _table(
    ("run_id", STRING, "MLflow run that measured it"),
    ("model_id", STRING, "Model that was measured"),
    (
        "method",
        STRING,
        "devise, ridge, conse, chance ... with +csls, +calibrated; ivf, word2vec, labels",
    ),
    ("photo_set", STRING, "Photos (or word test) that it was measured on"),
    ("candidate_set", STRING, "Labels to choose from: unseen_only, unseen_and_seen, ..."),
    ("metric", STRING, "hit, recall, coverage, analogies, spearman, photos, ..."),
    ("k", INT, "Length of the list; null where the metric has none"),
    ("value", DOUBLE, "A share in [0, 1] unless the metric is a count"),
    ("seed", INT, "Seed of the run"),
)

SCHEMAS: dict[str, StructType] = {
    "articles": ARTICLES,
    "refused_ranges": REFUSED_RANGES,
    "sentences": SENTENCES,
    "near_duplicates": NEAR_DUPLICATES,
    "phrases": PHRASES,
    "word_vectors": WORD_VECTORS,
    "labels": LABELS,
    "photos": PHOTOS,
    "quarantine": QUARANTINE,
    "ingested_archives": INGESTED_ARCHIVES,
    "pixels": PIXELS,
    "features": FEATURES,
    "embeddings": EMBEDDINGS,
    "current_models": CURRENT_MODELS,
    "signatures": SIGNATURES,
    "hashes": HASHES,
    "neighbours": NEIGHBOURS,
    "predictions": PREDICTIONS,
    "metrics": METRICS,
}


@dataclass(frozen=True)
class Layout:
    """Physical layout of a table on disk, where Delta's defaults would be slow for its readers.

    Attributes:
        statistics: the columns whose least and greatest value Delta stores for each file, so that
            readers skip files. Delta's default is the first 32 columns, most of which help no
            reader.
        cluster_by: columns that OPTIMIZE sorts rows by, so that the rows of a value are in few
            files.
    """

    statistics: tuple[str, ...]
    cluster_by: tuple[str, ...] = ()

    def properties(self) -> dict[str, str]:
        """Return the layout as Delta's table properties."""
        return {
            "delta.dataSkippingStatsColumns": ",".join(self.statistics),
            "delta.enableDeletionVectors": "false",  # Few readers except Spark support them.
        }


LAYOUTS: dict[str, Layout] = {
    "photos": Layout(statistics=("photo_id", "revision")),
    "quarantine": Layout(statistics=("photo_id", "model_id")),
    # Not partitioned by model, because readers on pyarrow (DuckDB, too) read no Delta partitions.
    "embeddings": Layout(statistics=("model_id", "photo_id"), cluster_by=("model_id", "photo_id")),
}
