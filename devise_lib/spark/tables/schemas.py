"""The schemas of the tables in which jobs meet. Each comment becomes a column comment in Delta."""

from pyspark.sql.types import StructType

from devise_lib.spark.tables.columns import (
    BINARY,
    BOOLEAN,
    DOUBLE,
    FLOAT,
    INT,
    LONG,
    STRING,
    STRINGS,
    TIMESTAMP,
    VECTOR,
    table,
)
from devise_lib.spark.tables.search_schemas import (
    BUCKET_STATISTICS,
    DUPLICATE_GROUPS,
    GALLERY_SUGGESTIONS,
    HASHES,
    NEIGHBOURS,
    PHOTOGRAPHER_RANKING,
    SIGNATURES,
)

# Comments that two columns have, or that are longer than a line.
VALIDATION = "Whether the photo itself is kept from the fit while settings are chosen."
COVERAGE = (
    "How the vector was found: exact (first name), synonym (another name), averaged (over the "
    "words of a name), missing, or attributes."
)
CANDIDATE_SET = (
    "Labels to choose from: unseen_only, seen_only, unseen_and_seen, or a name of "
    "evaluate.candidates. Or the search that was measured, such as text_to_image_unseen."
)
METRIC_METHOD = (
    "Method that was measured: devise, ridge, conse, chance and others, with +csls or +calibrated; "
    "ivf (the index), word2vec, labels."
)

ARTICLES = table(
    ("page_id", STRING, "Id of the page in its wiki."),
    ("revision_id", STRING, "Id of the revision whose text this is."),
    ("namespace", INT, "Namespace of the page. 0 is the articles."),
    ("title", STRING, "Title of the page."),
    ("redirect", STRING, "Title that the page redirects to. Null for a page with a text."),
    ("is_disambiguation", BOOLEAN, "Whether the page lists the meanings of its title."),
    ("timestamp", TIMESTAMP, "Time of the revision, UTC."),
    ("text", STRING, "Text without markup. Each heading and each paragraph is a line."),
    ("source", STRING, "Dump file, with the byte range in which the page was read."),
)

REFUSED_RANGES = table(
    ("path", STRING, "Dump file that is damaged."),
    ("start", LONG, "First byte of the damaged bz2 stream; in plain XML, of the damaged page."),
    ("stop", LONG, "Byte from which reading went on, or at which the byte range ended."),
    ("reason", STRING, "Kind of damage: truncated, corrupt, not_well_formed or count_differs."),
    ("message", STRING, "What was wrong, in words."),
    ("last_page_id", STRING, "Last whole page before it in the byte range. Null if there is none."),
    ("last_title", STRING, "Title of the last whole page before it."),
    (
        "first_page_id",
        STRING,
        "First whole page after it in the byte range. Null if there is none.",
    ),
    ("first_title", STRING, "Title of the first whole page after it."),
    ("pages_lost", LONG, "Number of the index's pages that were not found. Null without an index."),
    ("run_id", STRING, "MLflow run that wrote the row."),
)

SENTENCES = table(
    ("page_id", STRING, "Id of the article, text or photo that the sentence belongs to."),
    (
        "position",
        INT,
        "Place of the sentence in its text, from 0. A photo's tags are one sentence.",
    ),
    (
        "tokens",
        STRINGS,
        "Words or tags. The words of a label's term, phrase or tag are joined by _.",
    ),
)

NEAR_DUPLICATES = table(
    ("page_id", STRING, "Article or text that was left out of SENTENCES."),
    ("kept_page_id", STRING, "Article or text in SENTENCES that stands for it."),
    ("similar_page_id", STRING, "Text that it was compared with, which may be left out as well."),
    ("jaccard", DOUBLE, "Estimated Jaccard similarity of its shingles and similar_page_id's."),
    ("reason", STRING, "Why it was left out: near_duplicate."),
)

PHRASES = table(
    ("phrase", STRING, "Token of the phrase: its words joined by _."),
    ("words", STRINGS, "Words of the phrase."),
    ("count", LONG, "How often its two parts stood side by side in the pass that found it."),
    ("score", DOUBLE, "Score of gensim's Phrases. It compares within one pass of one corpus."),
    ("pass", INT, "Pass that found it, from 1. A pass also joins what earlier ones joined."),
)

WORD_VECTORS = table(
    ("word", STRING, "Token. The words of a phrase are joined by _."),
    ("count", LONG, "Occurrences in SENTENCES. Null where a file of vectors gives no counts."),
    ("rank", INT, "Place by count; 1 is the commonest. A file without counts gives the order."),
    ("vector", VECTOR, "Word vector as trained, not normalised."),
)

LABELS = table(
    ("label", STRING, "Id of the label, such as a folder's name or a WordNet id."),
    ("label_set", STRING, "Label set that the label belongs to."),
    ("terms", STRINGS, "Names of the label, the best first."),
    ("term", STRING, "Name whose vector the label has."),
    ("coverage", STRING, COVERAGE),
    ("seen", BOOLEAN, "Whether the jobs may train on photos of the label."),
    ("aliases", STRINGS, "Other labels that photos have for this one."),
    ("vector", VECTOR, "Word vector or attributes of the label, unit L2 norm. Null where missing."),
    ("random_vector", VECTOR, "Random unit vector, for the control. Null where vector is."),
    ("words_id", STRING, "Id of the word vectors, or attributes, that vector comes from."),
)

PHOTOS = table(
    ("photo_id", STRING, "Stable id: a hash of photo_set and the path within the source."),
    ("photo_set", STRING, "Name of the source that the photo came from."),
    ("path", STRING, "Place of the file. In an archive ARCHIVE!MEMBER, in CIFAR FILE!RECORD."),
    ("label", STRING, "Label by the photo's path, list, record or column. Null where none."),
    ("owner", STRING, "Owner of the photo: a gallery, a photographer. Null where none is known."),
    ("test_share", DOUBLE, "Share of the source kept for testing. Null: the common test_share."),
    ("size_bytes", LONG, "Size of the file in bytes."),
    ("modification_time", TIMESTAMP, "Time of the file's last change, UTC."),
    ("sha256", STRING, "SHA-256 of the file, hexadecimal."),
    ("revision", INT, "1, and one more each time that the file was found changed."),
    ("removed", TIMESTAMP, "Time at which a run found the file gone, UTC. Null while it is there."),
    ("run_id", STRING, "MLflow run that wrote the row."),
    ("content", BINARY, "Bytes of the file. Null where the file stays at its path."),
)

QUARANTINE = table(
    ("photo_id", STRING, "Id of the photo (PHOTOS.photo_id)."),
    ("photo_set", STRING, "Name of the source that the photo came from."),
    ("path", STRING, "Place of the file, as in PHOTOS."),
    ("size_bytes", LONG, "Size of the file in bytes. Null where it is not known."),
    ("modification_time", TIMESTAMP, "Time of the file's last change, UTC."),
    ("sha256", STRING, "SHA-256 of the file, hexadecimal. Null where it could not be read."),
    ("stage", STRING, "Job that refused the photo: ingest_photos, embed_photos or build_index."),
    ("reason", STRING, "Reason of the refusal, such as empty, truncated or not_an_image."),
    ("message", STRING, "What was wrong with the photo, in words."),
    ("model_id", STRING, "Model of the embedding. Null at ingest_photos."),
    ("run_id", STRING, "MLflow run that wrote the row."),
)

INGESTED_ARCHIVES = table(
    ("photo_set", STRING, "Name of the source that the archive belongs to."),
    ("path", STRING, "Tar, or file of CIFAR's records, whose photos were all taken or refused."),
    ("size_bytes", LONG, "Size of the archive in bytes."),
    ("modification_time", TIMESTAMP, "Time of the archive's last change, UTC."),
    ("include", STRING, "Pattern by which its source took photos: ingest_photos.source.include."),
    ("run_id", STRING, "MLflow run that wrote the row."),
)

PIXELS = table(
    ("label", STRING, "Label of the photo (LABELS.label), with aliases resolved."),
    ("fold", INT, "Fold of the label, as in FEATURES. Null where no label is held out."),
    ("is_validation_photo", BOOLEAN, VALIDATION),
    ("pixels", BINARY, "RGB, image_size x image_size x 3, uint8, row by row."),
)

FEATURES = table(
    ("photo_id", STRING, "Id of the photo (PHOTOS.photo_id)."),
    ("photo_set", STRING, "Name of the source that the photo came from."),
    ("label", STRING, "Label of the photo (LABELS.label), with aliases resolved."),
    ("seen", BOOLEAN, "Whether the jobs may train on photos of the label (LABELS.seen)."),
    ("split", STRING, "train, or test: the photo has an unseen label or is in the test share."),
    ("fold", INT, "Fold with which the label is held out while settings are chosen."),
    ("is_validation_photo", BOOLEAN, VALIDATION),
    ("backbone_id", STRING, "Backbone that made the feature."),
    ("feature", VECTOR, "Output of the backbone's feature_layer, not standardised."),
)

EMBEDDINGS = table(
    ("photo_id", STRING, "Id of the photo (PHOTOS.photo_id)."),
    ("model_id", STRING, "Registered model and version that made the embedding."),
    ("photo_set", STRING, "Name of the source that the photo came from."),
    ("label", STRING, "PHOTOS.label when the photo was embedded."),
    ("sha256", STRING, "PHOTOS.sha256 of the file that was embedded."),
    ("run_id", STRING, "MLflow run that wrote the row."),
    ("feature", VECTOR, "Feature of the backbone. Null unless store_backbone_features is true."),
    ("embedding", VECTOR, "Place of the photo in the space of words, unit L2 norm."),
)

CURRENT_MODELS = table(
    ("model_id", STRING, "Model whose embeddings are complete."),
    ("since", TIMESTAMP, "Time at which it became the current model, UTC."),
    ("run_id", STRING, "MLflow run that wrote the row."),
)

TEXT_VECTORS = table(
    ("text", STRING, "Text, such as the name of a label."),
    ("vector", VECTOR, "Place of the text in the space of the model, unit L2 norm."),
    ("model_id", STRING, "Model that came with the text."),
    ("run_id", STRING, "MLflow run that wrote the row."),
)

PREDICTIONS = table(
    ("photo_id", STRING, "Id of the photo (PHOTOS.photo_id)."),
    ("rank", INT, "Place of the label. 1 is the best."),
    ("label", STRING, "Label (LABELS.label), or text of a registered model."),
    ("term", STRING, "Name of the label (LABELS.term), or the text."),
    ("seen", BOOLEAN, "Whether the jobs may train on photos of the label. False for texts."),
    ("score", FLOAT, "Cosine of the photo's embedding and the label's vector."),
    ("model_id", STRING, "Model of the embedding."),
)

METRICS = table(
    ("run_id", STRING, "MLflow run that measured it."),
    ("model_id", STRING, "Model that was measured. Empty for figures of words and labels."),
    ("method", STRING, METRIC_METHOD),
    ("photo_set", STRING, "Photos, word test or label set that it was measured on."),
    ("candidate_set", STRING, CANDIDATE_SET),
    ("metric", STRING, "What was measured: hit, recall, coverage, analogies, spearman, photos ..."),
    ("k", INT, "Length of the list. Null where the metric has none."),
    ("value", DOUBLE, "Figure: a share in [0, 1] unless the metric is a count."),
    ("seed", INT, "Seed of the training, or of the run."),
)

SCHEMAS: dict[str, StructType] = {
    "articles": ARTICLES,
    "refused_ranges": REFUSED_RANGES,
    "sentences": SENTENCES,
    "near_duplicates": NEAR_DUPLICATES,
    "phrases": PHRASES,
    "word_vectors": WORD_VECTORS,
    "labels": LABELS,
    "text_vectors": TEXT_VECTORS,
    "photos": PHOTOS,
    "quarantine": QUARANTINE,
    "ingested_archives": INGESTED_ARCHIVES,
    "pixels": PIXELS,
    "features": FEATURES,
    "embeddings": EMBEDDINGS,
    "current_models": CURRENT_MODELS,
    "signatures": SIGNATURES,
    "hashes": HASHES,
    "bucket_statistics": BUCKET_STATISTICS,
    "neighbours": NEIGHBOURS,
    "duplicate_groups": DUPLICATE_GROUPS,
    "predictions": PREDICTIONS,
    "gallery_suggestions": GALLERY_SUGGESTIONS,
    "photographer_ranking": PHOTOGRAPHER_RANKING,
    "metrics": METRICS,
}
