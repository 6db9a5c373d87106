-- Functions and views for analysts, over the tables of a work folder, which have their own names.
-- A warehouse keeps them for all sessions without the word TEMPORARY.

-- The inner product of two vectors; of two unit vectors it is their cosine.
CREATE OR REPLACE TEMPORARY FUNCTION dot(a ARRAY<FLOAT>, b ARRAY<FLOAT>)
RETURNS DOUBLE
RETURN aggregate(zip_with(a, b, (x, y) -> double(x) * y), 0D, (total, each) -> total + each);

-- The cosine of two vectors of any length; null where one is zero.
CREATE OR REPLACE TEMPORARY FUNCTION cosine_similarity(a ARRAY<FLOAT>, b ARRAY<FLOAT>)
RETURNS DOUBLE
RETURN dot(a, b) / nullif(sqrt(dot(a, a)) * sqrt(dot(b, b)), 0D);

-- The number of bits in which two signatures differ (SIGNATURES.signature), from 0 to 256.
CREATE OR REPLACE TEMPORARY FUNCTION hamming_distance(a ARRAY<BIGINT>, b ARRAY<BIGINT>)
RETURNS INT
RETURN aggregate(zip_with(a, b, (x, y) -> bit_count(x ^ y)), 0, (total, each) -> total + each);

-- The bucket of a code of `bits` bits (SIGNATURES.codes, HASHES.bits): its first `prefix` bits.
CREATE OR REPLACE TEMPORARY FUNCTION lsh_bucket(code BIGINT, bits INT, prefix INT)
RETURNS BIGINT
RETURN shiftright(code, bits - prefix);

-- The k labels nearest to an embedding, by the cosine: FROM photos, LATERAL nearest_labels(v, 5).
CREATE OR REPLACE TEMPORARY FUNCTION nearest_labels(embedding ARRAY<FLOAT>, k INT)
RETURNS TABLE(label STRING, term STRING, score DOUBLE, rank INT)
RETURN SELECT found.label, found.term, found.score, found.rank FROM (
    SELECT each.label, each.term, dot(each.vector, nearest_labels.embedding) AS score,
        row_number() OVER (
            ORDER BY dot(each.vector, nearest_labels.embedding) DESC, each.label
        ) AS rank
    FROM (
        SELECT label, min(term) AS term, min(vector) AS vector FROM labels
        WHERE vector IS NOT NULL GROUP BY label
    ) AS each
) AS found
WHERE found.rank <= nearest_labels.k;

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

-- The embeddings of the current model, of photos that are still there.
CREATE OR REPLACE TEMPORARY VIEW embeddings_current AS
SELECT embeddings.* FROM embeddings
LEFT SEMI JOIN (SELECT max_by(model_id, since) AS model_id FROM current_models) USING (model_id)
LEFT SEMI JOIN photos_current USING (photo_id);

-- A row per photo, with the tags that the current model gives it, the best first.
CREATE OR REPLACE TEMPORARY VIEW photos_tagged AS
SELECT photo_id, photo_set, path, photos_current.label, owner, tags FROM photos_current
JOIN (
    SELECT photo_id, array_sort(collect_list(struct(rank, label, term, score, seen))) AS tags
    FROM predictions
    LEFT SEMI JOIN (SELECT max_by(model_id, since) AS model_id FROM current_models) USING (model_id)
    GROUP BY photo_id
) USING (photo_id);

-- How many photos each job refused, why, and one of them.
CREATE OR REPLACE TEMPORARY VIEW quarantine_summary AS
SELECT stage, reason, photo_set, count(*) AS photos, min(path) AS example,
    min_by(message, path) AS message
FROM quarantine GROUP BY stage, reason, photo_set;
