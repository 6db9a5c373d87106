"""The words of registered models. Spark reads and compares the tables."""

import pytest

from devise_lib.config.search import BuildIndex
from devise_lib.errors import InputError
from devise_lib.spark.labels.text_vectors import id_of_texts, labels_for, words_for
from devise_lib.spark.tables.delta_tables import Tables
from tests.rows import write_rows

pytestmark = pytest.mark.spark

TEXTS = {"St. Bernard": [1.0, 0.0], "jack-o'-lantern": [0.0, 1.0], "Straße ": [0.6, 0.8]}
WORDS_ID = "texts-3-0"


@pytest.fixture(scope="module")
def tables(spark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    rows = [
        {"text": text, "vector": vector, "model_id": model}
        for model in ("m1", "m2")
        for text, vector in TEXTS.items()
        if model == "m1" or text == "St. Bernard"
    ]
    write_rows(folder, "text_vectors", rows)
    write_rows(folder, "word_vectors", [{"word": "dog", "rank": 1, "vector": [1.0, 0.0]}])
    return Tables.of(spark, BuildIndex(work_dir=str(folder)))


def test_texts_take_the_place_of_labels(tables):
    rows = labels_for(tables, "m1", WORDS_ID).collect()
    assert {row["label"]: row["vector"] for row in rows} == {
        text: pytest.approx(vector) for text, vector in TEXTS.items()
    }
    assert all(row["term"] == row["label"] and row["seen"] is False for row in rows)
    assert [row["label"] for row in labels_for(tables, "m2", WORDS_ID).collect()] == ["St. Bernard"]


def test_texts_are_looked_up_by_their_words(tables):
    rows = words_for(tables, "m1", WORDS_ID).collect()
    assert {row["word"] for row in rows} == {"st_bernard", "jack_o_lantern", "straße"}


@pytest.mark.parametrize("read", [labels_for, words_for])
def test_a_model_without_words_says_so(tables, read):
    with pytest.raises(InputError, match="m3 has no words: it was registered without"):
        read(tables, "m3", "")


def test_other_word_vectors_are_refused(tables):
    with pytest.raises(InputError, match=r"WORD_VECTORS \(1-\w+\) are other ones"):
        words_for(tables, "m1", "816-0")


def test_the_id_of_texts_tells_texts_and_vectors_apart_but_not_their_order(spark):
    rows = list(TEXTS.items())

    def of(pairs):
        return id_of_texts(spark.createDataFrame(pairs, "text string, vector array<float>"))

    assert of(rows) == of(rows[::-1])
    assert of(rows).startswith("texts-3-")
    others = [("St Bernard", rows[0][1]), *rows[1:]], [(rows[0][0], [0.0, 1.0]), *rows[1:]]
    assert len({of(rows), *map(of, others)}) == 3
