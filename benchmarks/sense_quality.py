"""How often a context tells the right sense of a word: pseudo-words, whose senses are known.

python benchmarks/sense_quality.py WORK_FOLDER [--pairs N]

Two words of about the same count and different meaning are taken as one word with two senses. Its
vector is their mean, weighted by count. That is about what training on a corpus gives in which both
words are written alike (Arora et al., "Linear Algebraic Structure of Word Senses", 2018). Contexts
are the words beside each of the two in SENTENCES. Source: Schuetze, "Dimensions of Meaning" (1992),
for pseudo-words.
"""

import argparse
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from deltalake import DeltaTable
from numpy.typing import NDArray

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from devise_lib import __version__  # noqa: E402 - found by the line above
from devise_lib.numerics.vectors import l2_normalize  # noqa: E402
from devise_lib.search.sense_answers import SENSE_TERMS  # noqa: E402
from devise_lib.search.senses import choose, find_senses  # noqa: E402

WORDS = 50_000  # the commonest ones, among which neighbours are found
RANKS = (1_000, 15_000)  # of the words that are joined
ALIKE = 0.2  # the greatest cosine of two words that are joined
WINDOW = 10  # words of a context on either side
CONTEXTS = 20  # of each word
SENTENCES = 300_000


@dataclass(frozen=True)
class Judged:
    """How often the right one of two senses was chosen.

    Attributes:
        senses: the share of contexts for which the sense that was chosen is nearer to the right
            word than to the other.
        words: the share for which the right word was chosen of the two words themselves.
        has_both: whether each of the words has a sense of its own.
    """

    senses: float
    words: float
    has_both: bool


def judge(
    pair: NDArray[np.float32],
    counts: tuple[float, float],
    terms: Sequence[str],
    vectors: NDArray[np.float32],
    contexts: tuple[NDArray[np.float32], NDArray[np.float32]],
    most: int,
    neighbours: int = SENSE_TERMS,
) -> Judged:
    """Returns how often contexts tell the sense of a pseudo-word.

    Both words count alike, however many contexts each has.

    Args:
        pair: (2, d), unit L2 norm: the two words.
        counts: of the two words.
        terms: of the vocabulary, without the two.
        vectors: (w, d), unit L2 norm: of the terms.
        contexts: for each word (c, d), unit L2 norm, at least one.
        most: the number of senses, at most.
        neighbours: the nearest terms, of which senses are made.
    """
    [pseudo] = l2_normalize(np.array([counts], np.float32) @ pair)
    near = np.argsort(-(vectors @ pseudo), kind="stable")[:neighbours]
    senses = find_senses(pseudo, [terms[row] for row in near], vectors[near], most)
    means = np.stack([sense.vector for sense in senses])
    owners = (means @ pair.T).argmax(axis=1)  # the word that a sense is nearer to
    of_senses, of_words = [], []
    for truth, mine in enumerate(contexts):
        chosen = [int(choose(means, context[None])[0][0]) for context in mine]
        of_senses.append(np.mean(owners[chosen] == truth))
        chosen = [int(choose(pair, context[None])[0][0]) for context in mine]
        of_words.append(np.mean(np.array(chosen) == truth))
    return Judged(float(np.mean(of_senses)), float(np.mean(of_words)), len(set(owners)) == 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=200)
    args = parser.parse_args()
    table = DeltaTable(args.folder / "tables" / "word_vectors").to_pyarrow_table()
    table = table.filter(pc.less_equal(table["rank"], WORDS)).sort_by("rank")
    words, counts = table["word"].to_pylist(), table["count"].to_numpy()
    vectors = np.array(table["vector"].combine_chunks().flatten(), np.float32)
    vectors = l2_normalize(vectors.reshape(len(words), -1))
    row_of = {word: row for row, word in enumerate(words)}
    pairs = draw_pairs(words, counts, vectors, args.pairs)
    contexts = find_contexts(args.folder, row_of, vectors, {row for pair in pairs for row in pair})
    pairs = [pair for pair in pairs if all(len(contexts[row]) >= 5 for row in pair)]
    number = sum(len(contexts[row]) for pair in pairs for row in pair)
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, devise_lib "
        f"{__version__}: {len(pairs)} pairs, {number:,} contexts, {len(words):,} words"
    )
    print("| senses at most | right sense | both words have one | right word of the two | chance |")
    print("|---|---|---|---|---|")
    for most in (2, 3, 5):
        found = []
        for pair in pairs:
            rows = np.setdiff1d(np.arange(len(words)), pair)
            weights = (float(counts[pair[0]]), float(counts[pair[1]]))
            mine = (contexts[pair[0]], contexts[pair[1]])
            terms = [words[row] for row in rows]
            found.append(judge(vectors[list(pair)], weights, terms, vectors[rows], mine, most))
        senses, both, right = (
            np.mean([getattr(each, name) for each in found])
            for name in ("senses", "has_both", "words")
        )
        print(f"| {most} | {senses:.3f} | {both:.2f} | {right:.3f} | 0.500 |", flush=True)


def draw_pairs(
    words: Sequence[str],
    counts: NDArray[np.int64],
    vectors: NDArray[np.float32],
    number: int,
) -> list[tuple[int, int]]:
    """Returns rows of words of about the same count and different meaning, each word once."""
    rng = np.random.default_rng(0)
    rows = [row for row in range(*RANKS) if words[row].isalpha() and len(words[row]) > 3]
    order = rng.permutation(rows).tolist()
    pairs: list[tuple[int, int]] = []
    while order and len(pairs) < number:
        first = order.pop()
        for place, second in enumerate(order):
            if (
                0.5 < counts[first] / counts[second] < 2
                and vectors[first] @ vectors[second] < ALIKE
            ):
                pairs.append((first, order.pop(place)))
                break
    return pairs


def find_contexts(
    folder: Path, row_of: Mapping[str, int], vectors: NDArray[np.float32], wanted: set[int]
) -> dict[int, NDArray[np.float32]]:
    """Returns the unit vectors of some contexts of each wanted word: the means of their words."""
    found: dict[int, list[NDArray[np.float32]]] = {row: [] for row in wanted}
    dataset = DeltaTable(folder / "tables" / "sentences").to_pyarrow_dataset()
    for tokens in dataset.head(SENTENCES, columns=["tokens"])["tokens"].to_pylist():
        rows = [row_of.get(token, -1) for token in tokens]
        for place, row in enumerate(rows):
            if row in wanted and len(found[row]) < CONTEXTS:
                around = rows[max(0, place - WINDOW) : place] + rows[place + 1 :][:WINDOW]
                known = [other for other in around if other >= 0 and other != row]
                if known:
                    mean = vectors[known].mean(axis=0, keepdims=True)
                    found[row].append(l2_normalize(mean)[0])
    return {row: np.array(mine) for row, mine in found.items()}


if __name__ == "__main__":
    main()
