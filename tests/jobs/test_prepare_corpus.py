import pytest
from pydantic import ValidationError

from devise_lib import tracking
from devise_lib.config.types import LabelTable
from devise_lib.config.words import PrepareCorpus
from devise_lib.errors import InputError
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import ARTICLES
from jobs import prepare_corpus
from tests.rows import read_rows, write_rows

UNSPACED = "東京都は日本の首都である"
TEXT = "Two polar bears swim.\nA dog runs in San Marino after a San Marino cat"
COPY = " ".join(f"word{i}" for i in range(60))


def article(page_id, text, redirect=None, meanings=False):
    row = page_id, "1", 0, f"title {page_id}", redirect, meanings, None, text, "dump"
    return dict(zip(ARTICLES.names, row, strict=True))


ROWS = [
    article("1", COPY),
    article("2", COPY + " end"),
    article("3", COPY + "\nend"),
    article("50", TEXT),
    article("51", "too short"),
    article("52", "", redirect="other"),
    article("53", COPY, meanings=True),
]


@pytest.fixture(scope="module")
def tracking_uri(tmp_path_factory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('tracking') / 'mlflow.db'}"  # seconds to make


@pytest.fixture
def config(tmp_path, tracking_uri) -> PrepareCorpus:
    path = tmp_path / "labels.tsv"
    path.write_text("label\tterms\tsplit\taliases\nbear\tpolar bear\tseen\t\n")
    labels = LabelTable(kind="table", name="s", path=str(path))
    return PrepareCorpus(
        work_dir=str(tmp_path), tracking_uri=tracking_uri, label_sets=(labels,), min_words=5
    )


def run(spark, config):
    """What the job returns, and the metrics that it logs."""
    tracking.connect(config)
    with tracking.job_run(config) as run_id:
        counts = prepare_corpus.run(spark, config)
    metrics = tracking.MlflowClient().get_run(run_id).data.metrics
    return counts, {key: int(value) for key, value in metrics.items()}


@pytest.mark.spark
def test_articles_become_sentences_and_what_is_left_out_is_told(spark, config, capsys):
    tables, work_dir = Tables.of(spark, config), config.work_dir
    write_rows(work_dir, "articles", ROWS)
    counts, metrics = run(spark, config)
    stored = read_rows(work_dir, "sentences")
    assert counts == {"sentences": 3, "near duplicates left out": 2}
    assert metrics == {
        "left_out_redirect": 1,
        "left_out_disambiguation": 1,
        "left_out_too_short": 1,
        "left_out_near_duplicate": 2,
        "unspaced_share": 0,
    }
    assert "scripts without blanks" not in capsys.readouterr().out
    assert {row["page_id"] for row in stored} == {"1", "50"}
    assert {
        (row["page_id"], row["kept_page_id"], row["similar_page_id"])
        for row in read_rows(work_dir, "near_duplicates")
    } == {("2", "1", "1"), ("3", "1", "1")}
    assert ["two", "polar_bear", "swim"] in [row["tokens"] for row in stored]
    assert not read_rows(work_dir, "phrases")

    phrased = config.model_copy(
        update={"phrase_passes": 1, "phrase_min_count": 1, "phrase_threshold": 1.0}
    )
    counts, _ = run(spark, phrased)
    found = {row["phrase"] for row in read_rows(work_dir, "phrases")}
    assert counts == {"sentences": 3, "near duplicates left out": 2, "phrases": len(found)}
    assert found == {"san_marino"}
    assert any("san_marino" in row["tokens"] for row in read_rows(work_dir, "sentences"))

    none = config.model_copy(update={"min_words": 10_000})
    before = {name: tables.version(name) for name in ("sentences", "near_duplicates", "phrases")}
    with pytest.raises(InputError, match=r"none of 5 texts.*prepare_corpus\.min_words"):
        run(spark, none)
    assert before == {name: tables.version(name) for name in before}


@pytest.mark.spark
def test_a_table_of_texts_becomes_sentences(spark, config, tmp_path, capsys):
    rows = [(1, COPY), (2, TEXT), (3, COPY), (4, UNSPACED), (5, None)]
    source = str(tmp_path / "texts")
    spark.createDataFrame(rows, "doc long, body string").write.parquet(source)
    values = config.model_dump(exclude_unset=True)
    values |= {"kind": "text", "source": source, "id_column": "doc", "text_column": "body"}
    texts = PrepareCorpus(**values)
    counts, metrics = run(spark, texts)
    assert counts == {"sentences": 4, "near duplicates left out": 1}
    assert metrics == {"left_out_too_short": 1, "left_out_near_duplicate": 1, "unspaced_share": 0}
    stored = {row["page_id"]: row["tokens"] for row in read_rows(texts.work_dir, "sentences")}
    assert stored.keys() == {"1", "2", "4"}
    assert stored["4"][:3] == ["東京", "都", "は"]
    share = len(UNSPACED) / (2 * len(COPY) + len(TEXT) + len(UNSPACED))
    assert f"{share:.0%} of the characters are of scripts without bla" in capsys.readouterr().out


@pytest.mark.spark
def test_tags_become_sentences_and_leave_no_older_near_duplicates_or_phrases(
    spark, tmp_path, tracking_uri
):
    source = str(tmp_path / "photos")
    rows = [(1, ["Sea", "New York"]), (2, ["sea"]), (3, ["sea", "snow"])]
    spark.createDataFrame(rows, "id long, tags array<string>").write.format("delta").save(source)
    config = PrepareCorpus(
        work_dir=str(tmp_path), tracking_uri=tracking_uri, kind="tags", source=source
    )
    counts, _ = run(spark, config)
    assert counts == {"sentences": 2, "photos of too few tags left out": 1}
    stored = {row["page_id"]: row["tokens"] for row in read_rows(tmp_path, "sentences")}
    assert stored == {"1": ["sea", "new_york"], "3": ["sea", "snow"]}
    assert not read_rows(tmp_path, "near_duplicates")
    assert not read_rows(tmp_path, "phrases")
    with pytest.raises(InputError, match="no photo has two different tags"):
        run(spark, config.model_copy(update={"min_sentence_words": 9}))


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"kind": "text"}, "kind is 'text': give source"),
        ({"kind": "tags"}, "kind is 'tags': give source"),
        ({"source": "t"}, "kind is articles, which has no use for source"),
        ({"text_column": "t"}, "no use for text_column"),
        ({"kind": "text", "source": "t", "tags_column": "x"}, "no use for tags_column"),
        ({"kind": "tags", "source": "t", "text_column": "x"}, "no use for text_column"),
        ({"kind": "tags", "source": "t", "num_perm": 32}, "no use for num_perm"),
        ({"kind": "tags", "source": "t", "phrase_passes": 1}, "no use for phrase_passes"),
        ({"phrase_threshold": 3.0}, "phrase_threshold does nothing without phrase_passes"),
        ({"phrase_passes": 1, "phrase_scoring": "npmi"}, r"npmi scores lie in \[-1, 1\]"),
        ({"phrase_passes": 1, "phrase_threshold": 0.0}, "want above 0"),
    ],
)
def test_a_key_that_would_do_nothing_or_that_is_missing_is_refused(keys, fault):
    with pytest.raises(ValidationError, match=fault):
        PrepareCorpus(**keys)


def test_keys_that_fit_their_kind_are_taken():
    PrepareCorpus(phrase_passes=0, phrase_threshold=3.0)  # as --set phrase_passes=0 leaves it
    PrepareCorpus(phrase_passes=2, phrase_scoring="npmi", phrase_threshold=0.4)
    text = {"kind": "text", "source": "main.texts", "text_column": "x"}
    assert "source" not in PrepareCorpus(catalog="main", **text).input_files()
    assert PrepareCorpus(**text).input_files()["source"] == ["main.texts"]
