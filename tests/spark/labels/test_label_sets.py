import numpy as np
import pytest

from devise_lib.config.types import LabelTable
from devise_lib.config.words import TrainWord2vec
from devise_lib.errors import InputError
from devise_lib.spark.labels.label_sets import coverage, embed, require_coverage, share_with_vector
from devise_lib.text.labels.label_files import Label
from devise_lib.text.labels.label_vectors import choose_vector

pytestmark = pytest.mark.spark

RNG = np.random.default_rng(2)
VECTORS = {
    word: RNG.standard_normal(4).astype(np.float32)
    for word in ("cat", "German_shepherd", "sea-lion", "sea", "otter", "owl", "747", "caf\u00e9")
}
TERMS = [
    ("cat",),
    ("dog", "cat"),
    ("German shepherd",),
    ("sea lion",),
    ("sea otter",),
    ("Caf\u00e9 (place)",),
    ("boeing 747",),
    ("yeti",),
    ("?!",),
]
LABELS = [
    Label(f"n{i:02d}", terms, i % 2 == 0, "a" if i < 5 else "b") for i, terms in enumerate(TERMS)
]


@pytest.fixture(scope="module")
def staged(spark, tmp_path_factory):
    """Vectors as they lie before they replace WORD_VECTORS: word and vector are all that counts."""
    path = str(tmp_path_factory.mktemp("staging") / "vectors")
    rows = [(vector.tolist(), word) for word, vector in VECTORS.items()]
    spark.createDataFrame(rows, "vector array<float>, word string").write.parquet(path)
    return spark.read.parquet(path)


def test_each_label_gets_what_a_search_of_the_whole_vocabulary_gives(spark, staged):
    rows = {row["label"]: row for row in embed(spark, LABELS, staged, "id", 5).collect()}
    assert rows.keys() == {label.label for label in LABELS}
    for label in LABELS:
        row, wanted = rows[label.label], choose_vector(label, VECTORS)
        assert (row["term"], row["coverage"]) == (wanted.term, wanted.coverage)
        assert (row["words_id"], row["label_set"]) == ("id", label.label_set)
        if wanted.vector is None:
            assert row["vector"] is row["random_vector"] is None
        else:
            np.testing.assert_allclose(row["vector"], wanted.vector, rtol=1e-6)
            assert np.linalg.norm(row["random_vector"]) == pytest.approx(1, abs=1e-6)
    assert {row["coverage"] for row in rows.values()} == {"exact", "synonym", "averaged", "missing"}


def test_coverage_is_told_of_vectors_that_are_not_a_table_yet(spark, staged):
    assert coverage(embed(spark, LABELS, staged)) == {
        "a": {"exact": 0.6, "synonym": 0.2, "averaged": 0.2},
        "b": {"exact": 0.25, "averaged": 0.25, "missing": 0.5},
    }


def test_the_share_of_labels_with_a_vector_is_that_of_the_configured_sets(spark, staged, tmp_path):
    path = tmp_path / "labels.tsv"
    path.write_text("label\tterms\tsplit\taliases\ncat\t\tseen\t\nyeti\t\tseen\t\nowl\t\tseen\t\n")
    config = TrainWord2vec(label_sets=[LabelTable(kind="table", name="s", path=str(path))])
    assert share_with_vector(spark, config, staged) == {"s": pytest.approx(2 / 3)}
    assert share_with_vector(spark, TrainWord2vec(), staged) == {}


def test_too_little_coverage_names_up_to_ten_labels(spark, staged):
    lost = [Label(f"x{i:02d}", (f"unknown{i}",), True, "c") for i in range(12, 0, -1)]
    embedded = embed(spark, [*LABELS, *lost[:10]], staged).cache()
    assert require_coverage(embedded, 0.0)["c"] == {"missing": 1.0}
    with pytest.raises(InputError) as raised:
        require_coverage(embedded.where("label_set != 'a'"), 0.6)
    assert str(raised.value).startswith(
        "label set b: 50% of its labels have no word vector (n07 'yeti', n08 '?!'), but min_cov"
    )
    with pytest.raises(InputError, match=r"c: 100% .*\(x03 'unknown3', .*, x12 'unknown12'\), but"):
        require_coverage(embedded, 0.5)
    with pytest.raises(InputError, match=r"\(x01 'unknown1', .*, x10 'unknown10', \.\.\.\), but"):
        require_coverage(embed(spark, lost, staged), 0.5)
