import os
import random
import re
import signal
import time
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from devise_lib.command_line import find_input_error
from devise_lib.errors import InputError
from devise_lib.spark.tables.schemas import SENTENCES
from devise_lib.spark.words import training as engines
from devise_lib.spark.words.training import (
    ENGINES,
    TrainingPlan,
    train_in_many_tasks,
    train_in_one_task,
)
from devise_lib.spark.words.vocabulary import count_words
from tests.text.vectors import two_worlds

pytestmark = pytest.mark.spark

TOPICS = {
    "sea": ["fish", "wave", "boat", "sail", "whale", "salt"],
    "land": ["tree", "road", "horse", "field", "barn", "hill"],
}
PARAMS = replace(two_worlds.PARAMS, vector_size=8, window=4)
PLAN = TrainingPlan(PARAMS, partitions=2, merge_words=1_000)


@pytest.fixture(scope="module")
def rows():
    rng = random.Random(3)
    topics = enumerate(TOPICS.values())
    said = [(str(page), n, rng.choices(words, k=8)) for page, words in topics for n in range(400)]
    return [*said, ("9", 0, ["rare", "fish"]), ("9", 1, [])]


@pytest.fixture(scope="module")
def sentences(spark, rows):
    return spark.createDataFrame(rows, SENTENCES).repartition(3)


@pytest.fixture(scope="module")
def vocabulary(sentences, tmp_path_factory):
    return count_words(sentences, 5, 0, str(tmp_path_factory.mktemp("vocabulary") / "run [10:30]"))


@pytest.fixture(scope="module")
def vectors_of(sentences, vocabulary):
    """The vectors of an engine, trained once with the same changes of PARAMS."""

    @cache
    def train(engine, **changes):
        plan = replace(PLAN, params=replace(PARAMS, **changes))
        return ENGINES[engine](sentences, vocabulary, plan).collect()

    return train


@pytest.mark.parametrize(
    ("engine", "changes"),
    [
        ("one_machine", {}),
        ("one_machine", {"hs": 1, "negative": 0, "workers": 0}),
        ("distributed", {}),
        ("distributed", {"hs": 1, "negative": 0}),
        ("distributed", {"sg": 0, "workers": 2, "epochs": 12}),
    ],
)
def test_each_word_has_a_vector_once_near_the_words_of_its_topic(vectors_of, rows, engine, changes):
    found = vectors_of(engine, **changes)
    counted = Counter(token for _, _, tokens in rows for token in tokens)
    assert {r["word"]: r["count"] for r in found} == {w: n for w, n in counted.items() if n >= 5}
    assert sorted(r["rank"] for r in found) == list(range(1, len(found) + 1))
    by_rank = sorted(found, key=lambda r: r["rank"])
    assert [r["count"] for r in by_rank] == sorted((r["count"] for r in found), reverse=True)
    unit = {r["word"]: np.array(r["vector"]) / np.linalg.norm(r["vector"]) for r in found}
    sea, land = TOPICS.values()
    within = np.mean([unit[a] @ unit[b] for a in sea for b in sea if a != b])
    assert within > np.mean([unit[a] @ unit[b] for a in sea for b in land]) + 0.2


def test_one_thread_trains_the_same_vectors_again(sentences, vocabulary, vectors_of):
    again = train_in_one_task(sentences, vocabulary, PLAN).collect()
    assert sorted(again) == sorted(vectors_of("one_machine"))


def test_tasks_that_merge_train_the_same_vectors_again(sentences, vocabulary, vectors_of):
    first = sorted(vectors_of("distributed"))
    assert sorted(train_in_many_tasks(sentences, vocabulary, PLAN).collect()) == first
    assert sorted(vectors_of("distributed", seed=2)) != first


def test_more_tasks_than_slots_are_refused_before_they_wait_for_each_other(sentences, vocabulary):
    with pytest.raises(InputError, match="partitions is 64, but Spark has 2 task slots"):
        train_in_many_tasks(sentences, vocabulary, replace(PLAN, partitions=64))


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_what_the_machine_cannot_hold_is_refused_with_the_figure(sentences, vocabulary, engine):
    plan = replace(PLAN, params=replace(PARAMS, vector_size=2_000_000_000))
    with pytest.raises(Exception, match="too little memory") as raised:
        ENGINES[engine](sentences, vocabulary, plan).collect()
    message = str(find_input_error(raised.value))
    assert "12 words x 2000000000 numbers need " in message
    assert "GiB in each of" in message
    assert "raise train_word2vec.min_count" in message


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_a_disk_that_cannot_hold_the_text_is_refused_with_the_figure(sentences, vocabulary, engine):
    huge = replace(vocabulary, size=replace(vocabulary.size, text_bytes=10**16))
    with pytest.raises(Exception, match="too little disk") as raised:
        ENGINES[engine](sentences, huge, PLAN).collect()
    assert re.search(
        r"needs \d+\.\d GiB in /.*, but .* GiB are free", str(find_input_error(raised.value))
    )


def test_a_task_that_is_killed_while_it_merges_leaves_nobody_waiting(
    sentences, vocabulary, monkeypatch
):
    together = engines.learn_together

    def die_at_the_third_merge(learner, exchange, pieces):
        merge = learner.merge

        def merge_or_die(exchange, number):
            if number == 3 and exchange.rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            merge(exchange, number)

        learner.merge = merge_or_die
        together(learner, exchange, pieces)

    monkeypatch.setattr(engines, "learn_together", die_at_the_third_merge)
    started = time.monotonic()
    with pytest.raises(Exception, match=r"Job aborted|barrier"):
        train_in_many_tasks(sentences, vocabulary, PLAN).collect()
    assert time.monotonic() - started < 120
    monkeypatch.undo()
    assert len(train_in_many_tasks(sentences, vocabulary, PLAN).collect()) == 12


def test_the_vocabulary_is_the_commonest_words_with_their_counts(sentences, rows, tmp_path):
    counted = Counter(token for _, _, tokens in rows for token in tokens)
    in_order = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    few = count_words(sentences, 1, 5, str(tmp_path / "few"))
    assert list(few.read().items()) == in_order[:5]
    assert few.words == 5
    assert (few.size.sentences, few.size.words) == (len(rows), sum(counted.values()))
    text = "".join(" ".join(tokens) + "\n" for _, _, tokens in rows if tokens)
    assert few.size.text_bytes == len(text)
    every = count_words(sentences, 1, 0, str(tmp_path / "every"))
    assert list(every.read().items()) == in_order


def test_a_corpus_of_rare_words_is_refused(spark, tmp_path):
    said = spark.createDataFrame([("1", 0, ["a", "b", "c"]), ("1", 1, ["d", "e"])], SENTENCES)
    message = "2 sentences and 5 words, none of which occurs min_count = 2 times"
    with pytest.raises(InputError, match=message):
        count_words(said, 2, 0, str(tmp_path / "words"))


def test_sentences_come_to_the_trainers_in_another_order_than_that_of_their_pages(sentences):
    lines = [r["line"] for r in engines._in_random_order(sentences, seed=1).collect()]
    assert len(lines) == 801
    first = [any(word in line.split() for word in TOPICS["sea"]) for line in lines[:400]]
    assert 0.4 < np.mean(first) < 0.6
