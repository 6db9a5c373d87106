"""What bundles carry. Spark chooses the commonest words and joins them with the labels."""

from types import SimpleNamespace

import numpy as np
import pytest

from devise_lib.config.search import BuildIndex
from devise_lib.index.bundle import verify
from devise_lib.spark.labels.word_space import TEXTS, id_of_words
from devise_lib.spark.search.build_index import build_bundle
from devise_lib.spark.search.carried import Carried
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import LABELS, TEXT_VECTORS, WORD_VECTORS
from tests.embedded import MODEL, as_rows, clustered, write_embeddings
from tests.rows import row_of

pytestmark = pytest.mark.spark

VECTORS = clustered(40)
WORDS = {"the": 1, "sea_lion": 2, "snow_leopard": 3, "rare": 4}


@pytest.fixture(scope="module")
def work(spark, tmp_path_factory):
    """A work folder with embeddings, three words with vectors and one without, and two labels."""
    config = BuildIndex(work_dir=str(tmp_path_factory.mktemp("work")))
    tables = Tables.of(spark, config)
    write_embeddings(spark, config, as_rows(VECTORS))
    words = [
        row_of(WORD_VECTORS, word=word, rank=rank, vector=(2 * VECTORS[rank]).tolist())
        for word, rank in WORDS.items()
    ]
    tables.overwrite("word_vectors", spark.createDataFrame(words, WORD_VECTORS))
    words_id = id_of_words(tables.read("word_vectors"))
    labels = [
        row_of(LABELS, label=label, label_set="s", term=term, words_id=words_id, vector=vector)
        for label, term, vector in [
            *(("n1", "wolf", VECTORS[9].tolist()), ("n2", "sea\nlion", VECTORS[8].tolist())),
            ("n3", "unknown", None),
        ]
    ]
    tables.overwrite("labels", spark.createDataFrame(labels, LABELS))
    return SimpleNamespace(tables=tables, config=config, words_id=words_id)


def build(work, carried):
    return build_bundle(work.tables, work.config, MODEL, "run", carried)


def test_a_bundle_is_searched_by_labels_and_by_its_commonest_words(work):
    bundle = build(work, Carried(3, work.words_id))
    verify(bundle)
    index = bundle.open()
    assert (index.folder / "words.txt").read_text() == "sea lion\nwolf\nthe\nsnow_leopard\n"
    assert (bundle.manifest.words, bundle.manifest.labels) == (4, 2)
    np.testing.assert_allclose(np.load(index.folder / "words.npy"), VECTORS[[8, 9, 1, 3]], 1e-5)
    found = index.search_words(["snow_leopard"], 1)
    assert found.scores[0, 0] == pytest.approx(1, abs=1e-5)
    assert index.words.nearest(VECTORS[[1]], 1, only_labels=True)[0][0][0] in ("sea lion", "wolf")


@pytest.mark.parametrize(("words_id", "count"), [("", 3), ("816-00", 3), (None, 0)])
def test_words_that_are_not_wanted_or_are_other_ones_stay_out(work, words_id, count, capsys):
    words_id = work.words_id if words_id is None else words_id
    bundle = build(work, Carried(count, words_id))
    assert (bundle.manifest.words, bundle.manifest.labels) == (0, 0)
    assert "words.txt" not in bundle.manifest.files
    assert ("LABELS are of other word vectors" in capsys.readouterr().out) == (words_id == "816-00")


@pytest.mark.parametrize(("head", "name"), [(b"PK\x03\x04", "model.keras"), (b"", "model.pb")])
def test_a_network_is_carried_as_it_is(work, head, name):
    """A Keras file is a zip. Anything else is a frozen graph."""
    bundle = build(work, Carried(fetch_network=lambda: head + b"a network"))
    verify(bundle)
    assert (bundle.open().folder / name).read_bytes() == head + b"a network"
    assert not {"model.keras", "model.pb"} & set(build(work, Carried()).manifest.files)


def test_the_texts_of_a_registered_model_are_its_labels(work, spark):
    texts = [
        ("Wolf", VECTORS[4].tolist(), MODEL, "run"),
        ("x", VECTORS[5].tolist(), "other", "run"),
    ]
    work.tables.overwrite("text_vectors", spark.createDataFrame(texts, TEXT_VECTORS))
    bundle = build(work, Carried(3, f"{TEXTS}1-0"))
    verify(bundle)
    assert (bundle.open().folder / "words.txt").read_text() == "Wolf\n"
    assert (bundle.manifest.words, bundle.manifest.labels) == (1, 1)
