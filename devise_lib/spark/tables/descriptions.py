"""What each table is for, which jobs write and read it, and how its files lie."""

from dataclasses import dataclass

_SEARCH = (
    *("build_index", "build_signatures", "find_neighbours", "find_duplicates"),
    *("predict_labels", "complete_galleries", "rank_photographers"),
)


@dataclass(frozen=True)
class TableDescription:
    """A table as its users want to know it. Its columns are in `schemas`.

    Attributes:
        purpose: what a row is, and what the table is for.
        written_by: the jobs that write it; the one that fills it first comes first.
        read_by: the jobs that read it.
        partitioned_by: the columns that Delta makes folders of.
        files: how the files are made; "" for Spark's default.
    """

    purpose: str
    written_by: tuple[str, ...]
    read_by: tuple[str, ...] = ()
    partitioned_by: tuple[str, ...] = ()
    files: str = ""

    def writers(self) -> str:
        """The jobs that write the table, for a message."""
        return " or ".join(self.written_by)


DESCRIPTIONS: dict[str, TableDescription] = {
    "articles": TableDescription(
        "The pages of the dump with their clean text, one row per page.",
        ("parse_wikipedia",),
        ("prepare_corpus", "report"),
    ),
    "refused_ranges": TableDescription(
        "The parts of the dump that were damaged and left out, one row per part. It has rows only "
        'with `parse_wikipedia.damaged = "refuse"`.',
        ("parse_wikipedia",),
    ),
    "sentences": TableDescription(
        "The corpus of the word vectors, one row per sentence or per photo's tags.",
        ("prepare_corpus",),
        ("train_word2vec",),
    ),
    "near_duplicates": TableDescription(
        "The texts that were left out of SENTENCES because another one says nearly the same.",
        ("prepare_corpus",),
    ),
    "phrases": TableDescription(
        "The statistical phrases that were joined in SENTENCES, one row per phrase. It has rows "
        "only with `prepare_corpus.phrase_passes`.",
        ("prepare_corpus",),
    ),
    "word_vectors": TableDescription(
        "The word vectors, one row per word.",
        ("train_word2vec",),
        ("embed_labels", "rank_photographers", "evaluate", "report"),
    ),
    "labels": TableDescription(
        "The labels with their names and vectors, one row per label and label set.",
        ("embed_labels",),
        (
            *("train_backbone", "extract_features", "train_devise", "fine_tune"),
            *("export_projector", "predict_labels", "evaluate", "report"),
        ),
    ),
    "text_vectors": TableDescription(
        "The texts of the models that were registered with some, one row per text and model.",
        ("register_model",),
        ("build_index", "predict_labels", "rank_photographers"),
    ),
    "photos": TableDescription(
        "The photos whose header ingest_photos accepts, one row per photo. A changed photo has two "
        "rows until the older one is deleted, in the same run or by the next one.",
        ("ingest_photos",),
        (
            *("ingest_photos", "train_backbone", "extract_features", "fine_tune"),
            *("register_model", "export_model", "embed_photos", "export_projector"),
            *("build_index", "find_neighbours"),
            *("complete_galleries", "rank_photographers", "report"),
        ),
        files="Files of about `ingest_photos.file_bytes`, each with a narrow range of photo_id, in "
        "row groups of 16 MiB. Many small files are packed at the end of a run, to at most about "
        "10,000 rows each.",
    ),
    "quarantine": TableDescription(
        "The photos that were refused, with the reason: one row per photo at ingest, and one row "
        "per photo and model at embedding and at indexing.",
        ("ingest_photos", "embed_photos", "build_index"),
        ("ingest_photos", "embed_photos", "build_index", "report"),
    ),
    "ingested_archives": TableDescription(
        "The archives that are not opened again as long as they are unchanged, one row per "
        "archive.",
        ("ingest_photos",),
        ("ingest_photos",),
    ),
    "pixels": TableDescription(
        "The decoded training photos of the last training on photos, one row per photo.",
        ("train_backbone", "fine_tune"),
        ("train_backbone", "fine_tune"),
        ("fold", "is_validation_photo"),
        "Uncompressed, in an order that the photo's id draws, so that Petastorm reads fast.",
    ),
    "features": TableDescription(
        "The features of labelled photos, one row per photo and backbone.",
        ("extract_features", "fine_tune"),
        ("train_devise", "fine_tune", "evaluate"),
        ("backbone_id", "split", "fold", "is_validation_photo"),
        "Uncompressed, in files of at most `max_records_per_file` rows, so that Petastorm reads "
        "fast.",
    ),
    "embeddings": TableDescription(
        "The photos in the space of words, one row per photo and model. With a `catalog` the view "
        "`embeddings_current` shows those of the current model, of photos that are still there and "
        "of the files that they have now.",
        ("embed_photos",),
        ("embed_photos", "export_projector", *_SEARCH, "report"),
        files="Files of 25,000 rows. OPTIMIZE packs them to 128 MiB once the model is complete.",
    ),
    "current_models": TableDescription(
        "Which model readers should take: the one with the greatest `since`. One row per change "
        "of the current model.",
        ("embed_photos",),
        ("embed_photos", "export_projector", *_SEARCH),
    ),
    "signatures": TableDescription(
        "The hash codes of every photo, one row per photo and model. Photos that share a code, or "
        "the first bits of one, are probably near each other.",
        ("build_signatures",),
        ("build_signatures", "find_duplicates", "export_signatures"),
    ),
    "hashes": TableDescription(
        "The hash by which SIGNATURES were made, one row per model. With its file a new vector can "
        "be hashed elsewhere.",
        ("build_signatures",),
        ("build_signatures", "find_neighbours", "find_duplicates", "export_signatures", "report"),
    ),
    "bucket_statistics": TableDescription(
        "How evenly the hash spreads the photos, one row per hash table and model.",
        ("build_signatures",),
        ("report",),
    ),
    "neighbours": TableDescription(
        "The nearest photos of every photo, one row per photo, rank and model; and of every query "
        "of a table that was searched for.",
        ("find_neighbours",),
        ("report",),
    ),
    "duplicate_groups": TableDescription(
        "The photos that are the same picture as another one, one row per photo and model. A group "
        "has one representative.",
        ("find_duplicates",),
        ("complete_galleries", "report"),
    ),
    "predictions": TableDescription(
        "The tags of every photo, one row per photo, rank and model.",
        ("predict_labels",),
        ("report",),
    ),
    "gallery_suggestions": TableDescription(
        "The photos that complete a gallery, one row per gallery, rank, model and table of "
        "galleries.",
        ("complete_galleries",),
    ),
    "photographer_ranking": TableDescription(
        "The owners of photos that fit an assignment best, one row per assignment, rank, model and "
        "table of assignments.",
        ("rank_photographers",),
    ),
    "metrics": TableDescription(
        "Everything that was measured, one row per figure.",
        ("train_word2vec", "embed_labels", "build_index", "evaluate"),
        ("evaluate", "report"),
    ),
}


@dataclass(frozen=True)
class Layout:
    """How a table lies on disk, where Delta's defaults would cost its users.

    Attributes:
        statistics: the columns whose least and greatest value Delta keeps for each file, so that
            readers leave files out; default: the first 32, of which most say nothing.
        cluster_by: columns that OPTIMIZE sorts rows by, so that a value is in few files.
    """

    statistics: tuple[str, ...]
    cluster_by: tuple[str, ...] = ()

    def properties(self) -> dict[str, str]:
        """As Delta's table properties."""
        return {
            "delta.dataSkippingStatsColumns": ",".join(self.statistics),
            "delta.enableDeletionVectors": "false",  # few readers but Spark take them
        }


LAYOUTS: dict[str, Layout] = {
    "photos": Layout(statistics=("photo_id", "revision")),
    "quarantine": Layout(statistics=("photo_id", "model_id")),
    # Not partitioned by model: pyarrow's readers, DuckDB among them, take no partitions of Delta.
    "embeddings": Layout(statistics=("model_id", "photo_id"), cluster_by=("model_id", "photo_id")),
}
