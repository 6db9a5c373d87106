"""report on a small work folder: everything there, then as little as can be."""

import base64
import json
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest

from devise_lib import tracking
from devise_lib.config.reporting import Report
from devise_lib.errors import InputError
from devise_lib.index.bundle import index_root, point_to
from devise_lib.index.manifest import MANIFEST_FILE
from devise_lib.index.settings import Point, SearchSettings
from devise_lib.report.pictures import encode_jpeg
from devise_lib.spark.job.entry import execute
from jobs import report
from tests.embedded import MODEL, registry_entry
from tests.index.built import manifest_of
from tests.report.pages import Page
from tests.rows import write_rows

pytestmark = pytest.mark.spark

EVIL = "<script>alert(1)</script>"
COLOURS = {"rose": (230, 20, 60), "sky": (40, 120, 250), "grass": (30, 160, 40), EVIL: (9, 9, 9)}
UNSEEN = ("rose", EVIL)
EACH = 4  # photos of a label
VECTORS = dict(zip(COLOURS, np.eye(4, 6, dtype=np.float32), strict=True))
FOUND = registry_entry(MODEL, run_id="the-training-run")


def make_photos():
    rng = np.random.default_rng(0)
    photos, embeddings = [], []
    for label, colour in COLOURS.items():
        for i in range(EACH):
            name = f"{label[:4]}{i}"
            pixels = np.clip(rng.normal(colour, 9, (90, 70, 3)), 0, 255).astype(np.uint8)
            noisy = VECTORS[label] + rng.normal(0, 0.05, 6)
            photo = {"photo_id": name, "photo_set": "s", "label": f"{label} photos"}
            photos.append({**photo, "path": f"/{label}/{i}.jpg", "content": encode_jpeg(pixels)})
            vector = (noisy / np.linalg.norm(noisy)).tolist()
            embeddings.append({**photo, "model_id": MODEL, "embedding": vector})
    photos[0]["content"] = b"no photo any more"
    return photos, embeddings


def make_labels():
    return [
        {
            "label": name,
            "label_set": "s",
            "terms": [name],
            "term": name,
            "seen": name not in UNSEEN,
            "aliases": [f"{name} photos"],
            "vector": vector.tolist(),
        }
        for name, vector in VECTORS.items()
    ]


def make_results():
    predictions = [
        {"photo_id": f"rose{i}", "rank": rank, "label": label, "term": label, "seen": seen}
        for i in range(EACH)
        for rank, (label, seen) in enumerate([("sky", True), ("rose", False)], start=1)
    ]
    neighbours = [
        {"photo_id": f"{label[:4]}{i}", "neighbour_id": f"{label[:4]}{j}", "rank": (j - i) % EACH}
        for label in COLOURS
        for i in range(EACH)
        for j in range(EACH)
        if i != j
    ]
    of_model = {"model_id": MODEL, "score": 0.5}
    of_index = of_model | {"source": "bundle-x"}
    return [row | of_model for row in predictions], [row | of_index for row in neighbours]


def write_index(work_dir):
    settings = SearchSettings(2)
    point = Point(settings, 0.925, 0.9, 0.95, 1_000.0, 0.5)
    manifest = manifest_of(model_id=MODEL, point=point, curve=(point,), settings=settings)
    folder = Path(index_root(work_dir)) / manifest.bundle_name()
    folder.mkdir(parents=True)
    (folder / MANIFEST_FILE).write_text(manifest.to_json(""), encoding="utf-8")
    point_to(index_root(work_dir), folder.name)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A work folder with the tables that the report cannot do without, and its configuration."""
    config = Report(work_dir=str(tmp_path_factory.mktemp("work")), photos=3, map_photos=10)
    photos, embeddings = make_photos()
    tables = {"photos": photos, "embeddings": embeddings, "labels": make_labels()}
    for name, rows in tables.items():
        write_rows(config.work_dir, name, rows)
    return config


@pytest.fixture(autouse=True)
def model(monkeypatch):
    monkeypatch.setattr(tracking, "find_registered", lambda *_: FOUND)


def write_page(spark, config):
    tracking.connect(config)
    record = execute(spark, report.run, config)
    with open(f"{config.work_dir}/report/index.html", encoding="utf-8") as file:
        source = file.read()
    assert record.rows["bytes"] == len(source.encode())
    return Page(source), source, record


@pytest.fixture(scope="module")
def bare(spark, work):
    """The page before there is more than the tables of `work`, and the record of its run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracking, "find_registered", lambda *_: FOUND)
        page, _, record = write_page(spark, work)
    return page, record


def test_what_is_not_there_yet_is_said_in_words(bare):
    page, record = bare
    assert record.rows["tagged photos"] == 0
    for section, text in {
        "figures": "run evaluate",
        "tags": "run predict_labels",
        "text": "no word of the text has a vector: rose",
        "neighbours": "run find_neighbours",
        "duplicates": "find_duplicates has not run",
        "index": "run build_index",
        "hash": "run build_signatures",
        "quarantine": "No photo is in quarantine",
        "jobs": "No job has left a record",
    }.items():
        assert text in page.sections[section]
    assert "one of 10 photos" in page.sections["map"]
    assert "4 labels, 2 of them unseen" in " ".join(page.sections[""].split())


def test_texts_to_search_for_are_by_default_labels_that_no_photo_was_trained_on(bare):
    page, _ = bare
    assert "“rose”" in page.sections["text"]
    assert f"“{EVIL}”" in page.sections["text"]
    assert "“sky”" not in page.sections["text"]


@pytest.mark.usefixtures("bare")
def test_the_page_shows_what_the_tables_have(spark, work):
    predictions, neighbours = make_results()
    words = [{"word": name, "vector": vector.tolist()} for name, vector in VECTORS.items()]
    hit = {"method": "devise", "photo_set": "s unseen", "candidate_set": "unseen_only"}
    metrics = [
        {**hit, "model_id": MODEL, "metric": "hit", "k": 1, "value": 0.625},
        {**hit, "model_id": "another", "metric": "hit", "k": 1, "value": 0.111},
        {
            "method": "word2vec",
            "model_id": "",
            "photo_set": "t",
            "metric": "spearman",
            "value": 0.5,
        },
    ]
    bad = {"stage": "ingest_photos", "reason": "empty", "message": EVIL, "path": f"/{EVIL}.jpg"}
    spread = {
        **{"model_id": MODEL, "hash_id": "h1", "table": 0, "photos": 16, "bits": 3, "occupied": 2},
        **{"largest": 15, "expected_candidates": 14.1, "entropy": 0.3, "balance": [0.5, 0.97, 0.5]},
    }
    statistics = [{**spread, "table": 1}, spread, {**spread, "model_id": "x", "hash_id": "h2"}]
    hashes = [{"hash_id": "h1", "model_id": MODEL, "kind": "centred"}]
    same = {"model_id": MODEL, "hash_id": "h1", "group_id": "sky1", "photos": 9}
    duplicates = [
        {**same, "photo_id": "sky0", "is_representative": False, "score": 0.9961},
        {**same, "photo_id": "sky1", "is_representative": True, "score": 1.0},
        {**same, "photo_id": "gone", "is_representative": False, "score": 0.9},
        {**same, "photo_id": "sky2", "is_representative": True, "model_id": "another"},
    ]
    quarantine = [bad, bad, {**bad, "stage": "embed_photos", "model_id": "another"}]
    for name, rows in {
        "predictions": predictions,
        "neighbours": neighbours,
        "word_vectors": words,
        "metrics": metrics,
        "quarantine": quarantine,
        "bucket_statistics": statistics,
        "hashes": hashes,
        "duplicate_groups": duplicates,
    }.items():
        write_rows(work.work_dir, name, rows)
    write_index(work.work_dir)
    config = work.model_copy(update={"queries": ("rose", "Grass xyzzy", "plugh")})

    page, source, record = write_page(spark, config)

    assert "the-training-run" in page.sections[""]
    assert "62.5\N{NO-BREAK SPACE}%" in page.sections["figures"]
    assert "11.1" not in page.sections["figures"]  # of another model
    assert page.sections["tags"].count("✓ rose") == record.rows["tagged photos"] > 0
    assert "“rose”" in page.sections["text"]
    assert page.sections["text"].count("✓ rose") == 3
    assert page.sections["text"].count("✓ grass") == 0  # the query is more than that label
    assert page.sections["text"].count("grass 0.9") + page.sections["text"].count("grass 1.0") == 3
    assert "without a vector: xyzzy" in page.sections["text"]
    assert "no word of the text has a vector: plugh" in page.sections["text"]
    assert "as bundle-x found them" in page.sections["neighbours"]
    assert page.sections["neighbours"].count("✓") == 3 * (EACH - 1)
    assert "92.5\N{NO-BREAK SPACE}%" in page.sections["index"]
    assert "93.8\N{NO-BREAK SPACE}%" in page.sections["hash"]
    assert "2 of 6 bits are the same" in page.sections["hash"]
    assert 'try build_signatures.hash = "median"' in page.sections["hash"]
    assert page.sections["hash"].count("0.3 of 3.0 bits") == 2  # the third is of another model
    assert "0.500" in page.sections["words"]
    assert "2 in all" in page.sections["quarantine"]  # the third is of another model
    assert "mlflow ui --backend-store-uri sqlite:///" in page.sections["next"]
    duplicates_shown = page.sections["duplicates"]
    assert "It found 1 group, 3 photos in all" in duplicates_shown
    assert duplicates_shown.index("keep") < duplicates_shown.index("0.9961")
    assert "and 7 more" in duplicates_shown
    assert_search(source)
    assert EVIL in page.sections["quarantine"]
    assert EVIL in page.sections["neighbours"] + page.sections["text"] + page.sections["tags"]
    assert all(address.startswith(("data:", "#")) for address in page.addresses())
    artifacts = mlflow.artifacts.list_artifacts(run_id=record.run_id)
    assert "index.html" in [artifact.path for artifact in artifacts]


def assert_search(source: str) -> None:
    """The page carries every word and every photo with a picture, and their vectors."""
    data = json.loads(source.partition('id="search-data">')[2].partition("</script>")[0])
    assert set(data["words"]) == set(VECTORS)
    assert data["words"][:2] == ["rose", "grass"]  # of the queries
    photos = {photo["id"]: photo for photo in data["photos"]}
    assert len(photos) > 10
    assert "rose0" not in photos  # it cannot be decoded
    vectors = np.frombuffer(base64.b64decode(data["photoVectors"]), np.int8).reshape(-1, 6)
    for photo, vector in zip(data["photos"], vectors, strict=True):
        assert list(VECTORS)[int(vector.argmax())] == photo["label"]
    words = np.frombuffer(base64.b64decode(data["wordVectors"]), np.int8).reshape(-1, 6)
    for word, vector in zip(data["words"], words, strict=True):
        np.testing.assert_array_equal(vector, 127 * VECTORS[word])


def test_a_space_of_attributes_is_not_searched_by_words(spark, work, tmp_path):
    config = work.model_copy(update={"work_dir": str(tmp_path / "work")})
    shutil.copytree(work.work_dir, config.work_dir)
    of_attributes = {"words_id": "attributes-3-0123456789abcdef"}
    labels = [row | of_attributes for row in make_labels()]
    write_rows(config.work_dir, "labels", labels, "overwrite")
    page, _, _ = write_page(spark, config)
    assert "have attributes in place of word vectors, and a text has none" in page.sections["text"]
    assert "✓ rose" not in page.sections["text"]
    assert not any(tag == "input" for tag, _ in page.tags)


def test_a_model_without_embeddings_is_refused(spark, work, monkeypatch):
    found = registry_entry("devise-v9")
    monkeypatch.setattr(tracking, "find_registered", lambda *_: found)
    with pytest.raises(InputError, match="EMBEDDINGS has no photo of model devise-v9: run embed"):
        report.run(spark, work)
