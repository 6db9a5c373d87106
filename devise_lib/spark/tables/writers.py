"""The jobs that write each table, for messages that say which job to run."""

_TABLES_BY_JOB = {
    "parse_wikipedia": ("articles", "refused_ranges"),
    "prepare_corpus": ("sentences", "near_duplicates", "phrases"),
    "train_word2vec": ("word_vectors",),
    "embed_labels": ("labels",),
    "ingest_photos": ("photos", "quarantine", "ingested_archives"),
    "train_backbone": ("pixels",),
    "extract_features": ("features",),
    "embed_photos": ("embeddings", "current_models"),
    "build_signatures": ("signatures", "hashes"),
    "find_neighbours": ("neighbours",),
    "predict_labels": ("predictions",),
    "evaluate": ("metrics",),
}
# Table -> the first job of the flow that a user runs for it. Other jobs may add rows.
WRITERS = {table: job for job, tables in _TABLES_BY_JOB.items() for table in tables}
