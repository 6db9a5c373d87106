-- Functions and views for analysts, over the tables of a work folder, which have their own names.
-- A warehouse keeps them for all sessions without the word TEMPORARY.
-- Functions fail for inputs that do not fit each other. For a NULL they return NULL; those that find
-- labels return an empty array for a vector without a direction.

-- The inner product of two vectors of one length; of two unit vectors it is their cosine.
CREATE OR REPLACE TEMPORARY FUNCTION dot(a ARRAY<DOUBLE>, b ARRAY<DOUBLE>)
RETURNS DOUBLE
RETURN IF(
    array_size(a) <> array_size(b),
    raise_error(printf('a vector of %s numbers and one of %s', array_size(a), array_size(b))),
    aggregate(zip_with(a, b, (x, y) -> x * y), 0D, (total, each) -> total + each)
);

-- The vector divided by its L2 norm; its numbers are NULL where the norm is zero.
CREATE OR REPLACE TEMPORARY FUNCTION unit_vector(a ARRAY<DOUBLE>)
RETURNS ARRAY<DOUBLE>
RETURN transform(array(nullif(sqrt(dot(a, a)), 0D)), norm -> transform(a, x -> x / norm))[0];

-- The cosine of two vectors of one length, which need not be unit vectors; NULL where one is zero.
CREATE OR REPLACE TEMPORARY FUNCTION cosine_similarity(a ARRAY<DOUBLE>, b ARRAY<DOUBLE>)
RETURNS DOUBLE
RETURN dot(a, b) / nullif(sqrt(dot(a, a)) * sqrt(dot(b, b)), 0D);

-- The number of bits in which two signatures differ (SIGNATURES.signature), from 0 to 256.
CREATE OR REPLACE TEMPORARY FUNCTION hamming_distance(a ARRAY<BIGINT>, b ARRAY<BIGINT>)
RETURNS INT
RETURN IF(
    array_size(a) <> array_size(b),
    raise_error(printf('a signature of %s words and one of %s', array_size(a), array_size(b))),
    aggregate(zip_with(a, b, (x, y) -> bit_count(x ^ y)), 0, (total, each) -> total + each)
);

-- The bucket of a code of `bits` bits (SIGNATURES.codes, HASHES.bits): its first `prefix` bits.
CREATE OR REPLACE TEMPORARY FUNCTION lsh_bucket(code BIGINT, bits INT, prefix INT)
RETURNS BIGINT
RETURN IF(
    bits NOT BETWEEN 1 AND 62 OR prefix NOT BETWEEN 0 AND bits OR shiftright(code, bits) <> 0,
    raise_error(printf(
        'code %s, bits %s, prefix %s: want 1 to 62 bits, a code that has no more, and a prefix of '
        '0 to that many', code, bits, prefix
    )),
    shiftright(code, bits - prefix)
);

-- The k labels of an array that are nearest to an embedding by the cosine, the best first. Their
-- vectors are unit vectors. A label whose cosine is NULL or NaN is left out.
-- array(x) and [0] keep x in a variable; else Spark computes it once per label. Sums by get() take
-- less time than those by zip_with().
CREATE OR REPLACE TEMPORARY FUNCTION rank_labels(
    embedding ARRAY<DOUBLE>,
    labels ARRAY<STRUCT<label STRING, term STRING, vector ARRAY<DOUBLE>>>,
    k INT
)
RETURNS ARRAY<STRUCT<rank INT, label STRING, term STRING, score DOUBLE>>
RETURN transform(
    slice(
        sort_array(filter(
            transform(array(unit_vector(embedding)), v -> transform(labels, each -> struct(
                -IF(
                    array_size(v) <> array_size(each.vector),
                    raise_error(printf(
                        'an embedding of %s numbers and a label vector of %s: the model embeds in '
                        'another space than that of these labels', array_size(v),
                        array_size(each.vector)
                    )),
                    aggregate(
                        sequence(0, array_size(v) - 1), 0D,
                        (total, i) -> total + get(v, i) * get(each.vector, i)
                    )
                ) AS distance, each.label AS label, each.term AS term
            )))[0],
            each -> each.distance IS NOT NULL AND NOT isnan(each.distance)
        )),
        1, k
    ),
    (each, i) -> struct(i + 1 AS rank, each.label AS label, each.term AS term,
        -each.distance AS score)
);

-- The labels that have a vector, once each, with unit vectors. A label of several sets has the term
-- and the vector of the first set by name in which it has a vector. The norm is written out, because
-- Spark fails for functions such as unit_vector in a table that a function reads.
CREATE OR REPLACE TEMPORARY VIEW label_vectors AS
SELECT label, first.term, transform(first.vector, x -> x / first.norm) AS vector FROM (
    SELECT label, min_by(struct(
        coalesce(term, label) AS term, vector,
        nullif(sqrt(aggregate(vector, 0D, (total, x) -> total + double(x) * x)), 0D) AS norm
    ), label_set) AS first
    FROM labels WHERE vector IS NOT NULL GROUP BY label
);

-- The k labels of LABEL_VECTORS nearest to an embedding by the cosine, the best first.
CREATE OR REPLACE TEMPORARY FUNCTION nearest_labels(embedding ARRAY<DOUBLE>, k INT)
RETURNS ARRAY<STRUCT<rank INT, label STRING, term STRING, score DOUBLE>>
RETURN rank_labels(
    embedding, (SELECT collect_list(struct(label, term, vector)) FROM label_vectors), k
);

-- The model whose embeddings readers should take: one row.
CREATE OR REPLACE TEMPORARY VIEW current_model AS
SELECT max_by(model_id, since) AS model_id FROM current_models;

-- The newest revision of every photo that is still there.
CREATE OR REPLACE TEMPORARY VIEW photos_current AS
SELECT photo_id, newest.photo_set, newest.path, newest.label, newest.owner, newest.size_bytes,
    newest.sha256
FROM (
    SELECT photo_id, max_by(
        struct(photo_set, path, label, owner, size_bytes, sha256, removed), revision
    ) AS newest
    FROM photos GROUP BY photo_id
)
WHERE newest.removed IS NULL;

-- The embeddings of the current model, of photos that are still there, as their files are now.
CREATE OR REPLACE TEMPORARY VIEW embeddings_current AS
SELECT embeddings.* FROM embeddings
LEFT SEMI JOIN photos_current
    ON photos_current.photo_id = embeddings.photo_id AND photos_current.sha256 = embeddings.sha256
WHERE embeddings.model_id = (SELECT model_id FROM current_model);

-- A row per photo that is still there, with the tags of the current model, the best first. `tags`
-- is empty where EMBEDDINGS_CURRENT lacks the photo, or predict_labels has not tagged it.
CREATE OR REPLACE TEMPORARY VIEW photos_tagged AS
SELECT photo_id, photo_set, path, photos_current.label, owner, coalesce(tags, array()) AS tags
FROM photos_current
LEFT JOIN (
    SELECT photo_id, array_sort(collect_list(struct(rank, label, term, score, seen))) AS tags
    FROM predictions
    LEFT SEMI JOIN embeddings_current USING (photo_id, model_id)
    GROUP BY photo_id
) USING (photo_id);

-- How many photos each job refuses today, why, and one of them. A photo that embed_photos or
-- build_index refused counts for the current model, while its file is there and unchanged.
-- ingest_photos itself deletes its refusals of files that are gone.
CREATE OR REPLACE TEMPORARY VIEW quarantine_summary AS
SELECT stage, reason, photo_set, count(DISTINCT photo_id) AS photos,
    min(struct(path, message)).path AS example, min(struct(path, message)).message AS message
FROM (
    SELECT stage, reason, photo_set, photo_id, path, message FROM quarantine
    WHERE model_id IS NULL
    UNION ALL
    SELECT stage, reason, quarantine.photo_set, photo_id, quarantine.path, message FROM quarantine
    LEFT SEMI JOIN photos_current USING (photo_id, sha256)
    WHERE quarantine.model_id = (SELECT model_id FROM current_model)
)
GROUP BY stage, reason, photo_set;
