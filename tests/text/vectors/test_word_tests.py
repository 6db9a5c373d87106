import numpy as np
import pytest
from gensim.models import KeyedVectors

from devise_lib.errors import InputError
from devise_lib.text.vectors.word_tests import analogies, similarity


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(3)
    keyed = KeyedVectors(5)
    # Few dimensions, so that some analogies come out right and most wrong.
    keyed.add_vectors([f"w{n}" for n in range(40)], rng.normal(size=(40, 5)).astype(np.float32))
    return keyed


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    rng = np.random.default_rng(4)
    path = tmp_path_factory.mktemp("tests") / "questions.txt"
    fours = [" ".join(f"W{n}" for n in rng.choice(50, 4, replace=False)) for _ in range(3000)]
    path.write_text("\n".join([": one", *fours[:2000], ": two", *fours[2000:]]), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("restrict_vocab", [20, 40, 1000])
def test_answers_analogies_as_gensim_does(vectors, questions, restrict_vocab):
    score = analogies(vectors, questions, restrict_vocab)
    share, sections = vectors.evaluate_word_analogies(questions, restrict_vocab=restrict_vocab)
    assert 0 < score.correct < score.used
    assert score.total_percent == pytest.approx(100 * share)
    for ours, theirs in zip(score.sections, sections, strict=False):
        assert ours.name == theirs["section"]
        assert ours.correct == len(theirs["correct"])
        assert ours.used == len(theirs["correct"]) + len(theirs["incorrect"])
    assert [part.used + part.skipped for part in score.sections] == [2000, 1000]
    assert score.used + score.skipped == 3000


def test_similarity_is_the_rank_correlation_that_gensim_finds(vectors, tmp_path):
    rng = np.random.default_rng(5)
    numbers = [(a, b) for a in range(50) for b in range(a)]  # each pair once: ties tell nothing
    pairs = [f"w{a}\tW{b}\t{a + b}" for a, b in rng.choice(numbers, 300, replace=False)]
    (tmp_path / "pairs.tsv").write_text("\n".join(pairs), encoding="utf-8")
    score = similarity(vectors, str(tmp_path / "pairs.tsv"))
    _, spearman, percent_unknown = vectors.evaluate_word_pairs(str(tmp_path / "pairs.tsv"))
    assert score.spearman == pytest.approx(spearman.statistic, abs=1e-6)
    assert score.out_of_vocabulary == pytest.approx(3 * percent_unknown)
    assert score.used == 300 - score.out_of_vocabulary


def test_pairs_that_are_ordered_as_people_order_them_score_one(tmp_path):
    keyed = KeyedVectors(2)
    keyed.add_vectors(["a", "b", "c"], np.array([[1, 0], [1, 1], [0, 9]], dtype=np.float32))
    (tmp_path / "p.tsv").write_text("a\tb\t5\na\tc\t1\na\ta\t9\nz\ta\t3\n", encoding="utf-8")
    score = similarity(keyed, str(tmp_path / "p.tsv"))
    assert (round(score.spearman, 6), score.used, score.out_of_vocabulary) == (1.0, 3, 1)


def test_scores_are_zero_where_no_question_can_be_asked(vectors, tmp_path):
    (tmp_path / "q.txt").write_text(": one\nx y z u\n", encoding="utf-8")
    (tmp_path / "p.tsv").write_text("w1\tw2\t5\n", encoding="utf-8")
    score = analogies(vectors, str(tmp_path / "q.txt"), 100)
    assert (score.total_percent, score.used, score.skipped) == (0.0, 0, 1)
    assert similarity(vectors, str(tmp_path / "p.tsv")).spearman == 0.0


def test_a_bad_line_is_named(vectors, tmp_path):
    (tmp_path / "q.txt").write_text(": one\na b c\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"q\.txt, line 2: want four words"):
        analogies(vectors, str(tmp_path / "q.txt"), 100)
    (tmp_path / "p.tsv").write_text("a\tb\t5\nword 1\tword 2\tscore\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"p\.tsv, line 2: want word, word, score"):
        similarity(vectors, str(tmp_path / "p.tsv"))
    with pytest.raises(InputError, match=r"cannot read .*none"):
        similarity(vectors, str(tmp_path / "none"))


@pytest.mark.data
def test_reads_every_question_and_pair_of_the_real_tests(vectors, devise_data):
    folder = devise_data / "wordsim"
    score = analogies(vectors, str(folder / "questions-words.txt"), 30_000)
    assert (score.skipped, len(score.sections)) == (19_544, 14)
    pairs = {path.name: similarity(vectors, str(path)) for path in folder.glob("EN-*.txt")}
    assert pairs["EN-WS-353-ALL.txt"].out_of_vocabulary == 353
    assert pairs["EN-SIMLEX-999.txt"].out_of_vocabulary == 999
