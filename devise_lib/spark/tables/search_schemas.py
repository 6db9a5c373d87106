"""The schemas of hashes and signatures, and of what a search finds."""

from devise_lib.spark.tables.columns import (
    BOOLEAN,
    DOUBLE,
    DOUBLES,
    FLOAT,
    INT,
    LONG,
    LONGS,
    STRING,
    STRINGS,
    table,
)

SIGNATURES = table(
    ("photo_id", STRING, "Id of the photo (PHOTOS.photo_id)."),
    ("model_id", STRING, "Model of the embedding that was hashed."),
    ("hash_id", STRING, "Hash that made the row (HASHES.hash_id)."),
    ("sha256", STRING, "EMBEDDINGS.sha256 of the embedding that was hashed."),
    (
        "codes",
        LONGS,
        "Code in each hash table. The first hyperplane gives the highest of HASHES.bits bits.",
    ),
    (
        "signature",
        LONGS,
        "256 bits in 4 words. The cosine of two photos is about cos(pi * differing bits / 256).",
    ),
)

HASHES = table(
    ("hash_id", STRING, "Id of the hash: its model, its parameters and a digest of its file."),
    ("model_id", STRING, "Model whose embeddings it hashes."),
    ("kind", STRING, "How the hyperplanes were made: build_signatures.hash."),
    ("dimension", INT, "Length of an embedding."),
    ("bits", INT, "Number of hyperplanes per hash table."),
    ("tables", INT, "Number of hash tables."),
    (
        "prefix_bits",
        INT,
        "Length of the prefixes of codes for which the number of tables was solved. A prefix is "
        "shared by about build_signatures.bucket_size photos.",
    ),
    (
        "meet_probability",
        DOUBLE,
        "Probability that photos of build_signatures.target_cosine share a prefix in a table. Null "
        "for pca and itq, whose bits are not independent.",
    ),
    ("seed", INT, "Seed of the hyperplanes."),
    ("parameters", STRING, "The keys of build_signatures that made it, as JSON."),
    ("file", STRING, "File of numpy with the hyperplanes, within the work folder."),
)

BUCKET_STATISTICS = table(
    ("model_id", STRING, "Model of the signatures."),
    ("hash_id", STRING, "Hash that made them (HASHES.hash_id)."),
    ("table", INT, "Hash table, counted from 0."),
    ("photos", LONG, "Number of photos."),
    ("bits", INT, "Length of the prefixes that are the buckets here: HASHES.prefix_bits."),
    ("occupied", LONG, "Buckets that hold a photo."),
    ("largest", LONG, "Photos in the largest bucket."),
    ("largest_share", DOUBLE, "Share of all photos that the largest bucket holds."),
    ("expected_candidates", DOUBLE, "Photos in the bucket of a random photo, itself included."),
    ("entropy", DOUBLE, "Entropy of the bucket of a random photo, in bits; `bits` at most."),
    ("balance", DOUBLES, "Share of ones in each bit of the codes; 0.5 tells most."),
)

NEIGHBOURS = table(
    ("photo_id", STRING, "Id of the photo (PHOTOS.photo_id), or of the query in its query_set."),
    ("neighbour_id", STRING, "photo_id of the neighbour."),
    ("rank", INT, "Place of the neighbour. 1 is the nearest."),
    ("score", FLOAT, "Cosine of the two embeddings."),
    ("model_id", STRING, "Model of both embeddings."),
    ("source", STRING, "Index bundle, or hash_id, that found the neighbour."),
    (
        "query_set",
        STRING,
        "Table of queries that photo_id is from, or condition on neighbours. Null for photos.",
    ),
)

DUPLICATE_GROUPS = table(
    ("group_id", STRING, "photo_id of the representative of the group."),
    ("photo_id", STRING, "Id of the photo (PHOTOS.photo_id)."),
    (
        "is_representative",
        BOOLEAN,
        "Whether it is the photo of the group to keep: the largest file.",
    ),
    ("photos", LONG, "Number of photos in the group."),
    ("score", FLOAT, "Cosine of the photo and the representative."),
    ("model_id", STRING, "Model of the embeddings."),
    ("hash_id", STRING, "Hash that found the group (HASHES.hash_id)."),
)

GALLERY_SUGGESTIONS = table(
    ("gallery_id", STRING, "Id of the gallery in its table."),
    ("rank", INT, "Place of the photo. 1 is the best."),
    ("photo_id", STRING, "photo_id of a photo that is no member of the gallery."),
    ("score", FLOAT, "Greatest cosine of the photo with a query that the gallery's photos make."),
    ("nearest_member", STRING, "photo_id of the member that the photo is nearest to: why."),
    ("member_cosine", FLOAT, "Cosine of the photo and nearest_member."),
    ("model_id", STRING, "Model of the embeddings."),
    ("source", STRING, "Index bundle that found the photo."),
    ("gallery_set", STRING, "Table of galleries: complete_galleries.galleries."),
    ("run_id", STRING, "MLflow run that wrote the row."),
)

PHOTOGRAPHER_RANKING = table(
    ("assignment_id", STRING, "Id of the assignment in its table."),
    ("rank", INT, "Place of the owner. 1 is the best."),
    ("owner", STRING, "Owner of photos (PHOTOS.owner)."),
    ("score", DOUBLE, "Score of his photos, shrunk towards the mean score of all photos."),
    ("photos", LONG, "Number of his photos."),
    ("best_photos", STRINGS, "photo_id of his photos with the greatest scores, best first: why."),
    ("best_scores", DOUBLES, "Scores of best_photos."),
    ("model_id", STRING, "Model of the embeddings."),
    ("assignment_set", STRING, "Table of assignments: rank_photographers.assignments."),
    ("run_id", STRING, "MLflow run that wrote the row."),
)
