"""Quality tests of word vectors: analogies, and the correlation with people's similarity scores.

Source: T. Mikolov et al., Efficient estimation of word representations in vector space, 2013.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from gensim.models import KeyedVectors
from numpy.typing import NDArray
from scipy.stats import spearmanr

from devise_lib.errors import InputError
from devise_lib.text.lines import numbered_lines
from devise_lib.text.tokens import lower_case

_BATCH = 512  # questions answered in one matrix product


@dataclass(frozen=True, slots=True)
class SectionScore:
    """The score of one section of a file of analogies."""

    name: str
    correct: int
    used: int
    skipped: int  # questions with a word outside the vocabulary

    @property
    def percent(self) -> float:
        """The share of the used questions with a right answer, 0 to 100; 0 if none was used."""
        return 100.0 * self.correct / self.used if self.used else 0.0


@dataclass(frozen=True, slots=True)
class AnalogyScore:
    """The score of a file of analogies. Scores compare only at the same `restrict_vocab`."""

    correct: int
    used: int
    skipped: int
    sections: tuple[SectionScore, ...]

    @property
    def total_percent(self) -> float:
        """The share of the used questions with a right answer, 0 to 100; 0 if none was used."""
        return 100.0 * self.correct / self.used if self.used else 0.0


@dataclass(frozen=True, slots=True)
class SimilarityScore:
    """The correlation with people's scores of word pairs, over the pairs in the vocabulary."""

    spearman: float  # -1 to 1; 0 where undefined (fewer than two pairs, equal scores)
    used: int
    out_of_vocabulary: int


def analogies(vectors: KeyedVectors, questions_path: str, restrict_vocab: int) -> AnalogyScore:
    """Answers "a is to b as c is to ?" with the word nearest to b - a + c (3CosAdd).

    Words are compared in lower case. The words a, b and c are excluded as answers.

    Args:
        vectors: the words, the most frequent first.
        questions_path: a file with lines of four words, in sections that start with ": name".
        restrict_vocab: only so many of the most frequent words are used in questions and answers.

    Raises:
        InputError: the file is missing, or a line is not of this form.
    """
    row_of = _rows(vectors, restrict_vocab)
    units = _unit_rows(vectors.vectors[:restrict_vocab])
    sections = []
    for name, questions in _sections(questions_path):
        known = [[row_of[word] for word in four] for four in questions if row_of.keys() >= {*four}]
        correct = _count_correct(np.array(known, dtype=np.intp).reshape(-1, 4), units)
        sections.append(SectionScore(name, correct, len(known), len(questions) - len(known)))
    return AnalogyScore(
        correct=sum(section.correct for section in sections),
        used=sum(section.used for section in sections),
        skipped=sum(section.skipped for section in sections),
        sections=tuple(sections),
    )


def similarity(vectors: KeyedVectors, pairs_path: str) -> SimilarityScore:
    """Returns Spearman's rank correlation of the cosine with people's scores.

    Args:
        vectors: the words, the most frequent first; compared in lower case.
        pairs_path: a file with lines of word, word, score, tab-separated, without a header.

    Raises:
        InputError: the file is missing, or a line is not of this form.
    """
    row_of = _rows(vectors, len(vectors))
    units = _unit_rows(vectors.vectors)
    cosines, scores, unknown = [], [], 0
    for word_a, word_b, score in _pairs(pairs_path):
        if word_a in row_of and word_b in row_of:
            cosines.append(float(units[row_of[word_a]] @ units[row_of[word_b]]))
            scores.append(score)
        else:
            unknown += 1
    defined = len(set(cosines)) > 1 and len(set(scores)) > 1
    spearman = float(spearmanr(cosines, scores).statistic) if defined else 0.0
    return SimilarityScore(spearman, len(scores), unknown)


def words_of_pairs(pairs_path: str) -> set[str]:
    """Returns every word of a file for `similarity`, in lower case.

    Raises:
        InputError: the file is missing, or a line is not of the form of `similarity`.
    """
    return {word for *pair, _ in _pairs(pairs_path) for word in pair}


def _rows(vectors: KeyedVectors, restrict_vocab: int) -> dict[str, int]:
    """Returns the row of each word in lower case; the most frequent one if several differ in case
    only.
    """
    row_of: dict[str, int] = {}
    for row, word in enumerate(vectors.index_to_key[:restrict_vocab]):
        row_of.setdefault(lower_case(word), row)
    return row_of


def _unit_rows(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix / np.maximum(norms, np.finfo(np.float32).tiny)


def _count_correct(questions: NDArray[np.intp], units: NDArray[np.float32]) -> int:
    """Returns how many questions are answered right; a question is a row of (n, 4): a, b, c,
    answer.
    """
    correct = 0
    for start in range(0, len(questions), _BATCH):
        a, b, c, answer = questions[start : start + _BATCH].T
        scores = (units[b] - units[a] + units[c]) @ units.T  # (batch, words)
        for given in (a, b, c):
            scores[np.arange(len(given)), given] = -np.inf
        correct += int(np.count_nonzero(scores.argmax(axis=1) == answer))
    return correct


def check_tests(analogies_path: str, pair_paths: Sequence[str]) -> None:
    """Reads the test files, so that an error in one is found before the vectors are trained.

    Raises:
        InputError: a file is missing, or a line is not of the right form.
    """
    if analogies_path:
        _sections(analogies_path)
    for path in pair_paths:
        for _ in _pairs(path):
            pass


def _sections(path: str) -> list[tuple[str, list[list[str]]]]:
    found: list[tuple[str, list[list[str]]]] = []
    for number, line in numbered_lines(path, "a file of analogies"):
        if line.startswith(":"):
            found.append((line[1:].strip(), []))
            continue
        given = lower_case(line).split()
        if len(given) != 4 or not found:
            raise InputError(
                f'{path}, line {number}: want four words, below a line ": section", got {line!r}'
            )
        found[-1][1].append(given)
    return found


def _pairs(path: str) -> Iterator[tuple[str, str, float]]:
    for number, line in numbered_lines(path, "a file of word pairs"):
        fields = lower_case(line).split("\t")
        try:
            word_a, word_b, score = fields[0].strip(), fields[1].strip(), float(fields[2])
        except (IndexError, ValueError):
            raise InputError(
                f"{path}, line {number}: want word, word, score, tab-separated, got {line!r}"
            ) from None
        yield word_a, word_b, score
