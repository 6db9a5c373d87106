"""Exact nearest neighbours, and measures of how well a ranking finds the right answers."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.vectors import FloatArray

Ids = NDArray[Any]  # integers or strings
Block = tuple[Ids, FloatArray]


def top_k(
    queries: FloatArray, vectors: FloatArray | Iterable[Block], k: int
) -> tuple[Ids, FloatArray]:
    """Finds the k vectors with the greatest inner product with each query, the best first.

    For rows of unit norm the inner product is the cosine. Equal scores are ordered by id. The
    function holds one block, and k results per query, at a time.

    Args:
        queries: (q, d).
        vectors: a matrix (n, d), whose ids are its row numbers, or blocks of (ids (b,), vectors (b,
            d)). The ids are integers in every block, or strings in every block.
        k: the number of results per query.

    Returns:
        ids (q, min(k, n)), and their scores of the same shape, falling along each row.

    Raises:
        ValueError: k is below 1, or the shapes do not agree.
    """
    if k < 1 or queries.ndim != 2:
        raise ValueError(f"want k >= 1 and queries (q, d); got k {k}, queries {queries.shape}")
    blocks = [(np.arange(len(vectors)), vectors)] if isinstance(vectors, np.ndarray) else vectors
    best: tuple[Ids, FloatArray] | None = None
    for ids, block in blocks:
        if block.ndim != 2 or block.shape[1] != queries.shape[1] or ids.shape != (len(block),):
            raise ValueError(
                f"want ids (b,) and vectors (b, {queries.shape[1]}); got {ids.shape}, {block.shape}"
            )
        if not len(block):
            continue
        scores = queries @ block.T
        if best is not None and best[0].shape[1] == k:
            best = _improve(best, scores, ids)
        else:
            found = _best_of_block(scores, ids, k)
            best = found if best is None else merge_top_k([best, found], k)
    if best is None:
        return np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), queries.dtype)
    return best


def best_columns(scores: FloatArray, k: int) -> NDArray[np.int64]:
    """Returns the columns of the k greatest scores in each row, the best first.

    Equal scores are ordered by column.

    Args:
        scores: (q, m), m >= 1.
        k: the number of columns per row.

    Returns:
        (q, min(k, m)).
    """
    return _best_of_block(scores, np.arange(scores.shape[1]), k)[0]


def merge_top_k(parts: Iterable[tuple[Ids, FloatArray]], k: int) -> tuple[Ids, FloatArray]:
    """Merges several `top_k` results for the same queries into the best k.

    Args:
        parts: ids (q, any) and scores of the same shape; no id occurs twice for a query.
        k: the number of results per query.

    Returns:
        ids and scores, (q, min(k, all)), falling; equal scores are ordered by id.
    """
    all_ids, all_scores = zip(*parts, strict=True)
    ids, scores = np.concatenate(all_ids, axis=1), np.concatenate(all_scores, axis=1)
    order = np.lexsort((ids, -scores), axis=1)[:, :k]
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)


def recall_by_score(found: FloatArray, exact: FloatArray, tolerance: float = 1e-5) -> float:
    """Returns the mean of `recalls_by_score`."""
    return float(recalls_by_score(found, exact, tolerance).mean())


def recalls_by_score(
    found: FloatArray, exact: FloatArray, tolerance: float = 1e-5
) -> NDArray[np.float64]:
    """Returns the recall of each query (q,), where results of equal score may replace one another.

    Two vectors with the same score are equally right, whatever their ids.

    Args:
        found: (q, any), scores; -inf marks a missing result.
        exact: (q, k), scores of the exact search, k >= 1. A found score counts if it reaches the
            least score of the row.
        tolerance: covers the last bits in which two ways to sum a product of float32 vectors
            differ.

    Raises:
        ValueError: the numbers of queries differ, or `exact` is empty.
    """
    if len(found) != len(exact) or not exact.size:
        raise ValueError(f"want found (q, any), exact (q, k); got {found.shape}, {exact.shape}")
    least = exact.min(axis=1, keepdims=True) - tolerance  # (q, 1)
    reached = np.count_nonzero(found >= least, axis=1)
    return np.minimum(reached / exact.shape[1], 1.0)


def drop_self_matches(ids: Ids, scores: FloatArray, own: Ids) -> tuple[Ids, FloatArray]:
    """Removes each query from its own results, for queries that are among the searched vectors.

    Args:
        ids, scores: (q, k + 1), the best first, as `top_k` returns them.
        own: (q,), the id of each query.

    Returns:
        ids and scores, (q, k). A row that does not hold its query loses its last result instead.
    """
    q, width = ids.shape
    is_own = ids == own[:, None]
    place = np.where(is_own.any(axis=1), is_own.argmax(axis=1), width - 1)
    kept = np.arange(width) != place[:, None]
    return ids[kept].reshape(q, width - 1), scores[kept].reshape(q, width - 1)


def rank_of_truth(scores: FloatArray, truth: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Returns the rank of the right label in each row of scores, 1 for the best.

    Ties count against the right label. Labels with the same score, or with a score that is not a
    number, rank before it. The rank is thus the worst that any order of equal scores could give. It
    depends on no sorting, and scores that are all equal earn nothing.

    Args:
        scores: (n, m), greater is better.
        truth: (n,), the column of the right label, in [0, m).

    Returns:
        (n,) ranks in [1, m].

    Raises:
        ValueError: the shapes do not agree, or `truth` names a column that does not exist.
    """
    if scores.ndim != 2 or truth.shape != (len(scores),):
        raise ValueError(f"want scores (n, m), truth (n,); got {scores.shape}, {truth.shape}")
    m = scores.shape[1]
    if len(truth) and not (truth.min() >= 0 and truth.max() < m):
        raise ValueError(f"want truth in [0, {m}); got [{truth.min()}, {truth.max()}]")
    right = np.take_along_axis(scores, truth[:, None], axis=1)  # (n, 1)
    return np.count_nonzero(~(scores < right), axis=1).astype(np.int64)  # counts itself


def _improve(best: tuple[Ids, FloatArray], scores: FloatArray, ids: Ids) -> tuple[Ids, FloatArray]:
    """Returns the best k of `best` (q, k) and of a block; sorts only those that may be among them.

    Most scores (q, b) of a later block are below the k-th best so far, and are not looked at twice.
    """
    q, k = best[0].shape
    rows, columns = np.nonzero(~(scores < best[1][:, -1, None]))
    if not len(rows):
        return best
    all_rows = np.concatenate([np.repeat(np.arange(q), k), rows])
    all_ids = np.concatenate([best[0].ravel(), ids[columns]])
    all_scores = np.concatenate([best[1].ravel(), scores[rows, columns]])
    chosen = _first_k(all_rows, all_ids, all_scores, q, k)
    return all_ids[chosen], all_scores[chosen]


def _best_of_block(scores: FloatArray, ids: Ids, k: int) -> tuple[Ids, FloatArray]:
    """Returns the best k columns of scores (q, b), b >= 1; sorts only those that may be among them.

    A row may hold scores that are not a number.
    """
    k = min(k, scores.shape[1])
    bound = np.partition(scores, -k, axis=1)[:, -k, None]  # (q, 1) the k-th best
    rows, columns = np.nonzero(~(scores < bound))  # all that tie at the k-th place compete
    best = columns[_first_k(rows, ids[columns], scores[rows, columns], len(scores), k)]
    return ids[best], np.take_along_axis(scores, best, axis=1)


def _first_k(
    rows: NDArray[np.int64], ids: Ids, scores: FloatArray, q: int, k: int
) -> NDArray[np.int64]:
    """Returns the places (q, k) of the best candidates of each row; equal scores go by id.

    Candidates come in any order, at least k for each of the rows 0 to q - 1.
    """
    order = np.lexsort((ids, -scores, rows))
    firsts = np.searchsorted(rows[order], np.arange(q))  # lexsort keeps rows together
    return order[firsts[:, None] + np.arange(k)]
