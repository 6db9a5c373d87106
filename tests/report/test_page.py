import base64
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from devise_lib.config.reporting import Report
from devise_lib.report.content import (
    Hit,
    MapPoints,
    Measurement,
    Neighbours,
    Photo,
    Tag,
    TaggedPhoto,
    TextQuery,
)
from devise_lib.report.figures import METHODS, VARIANTS, compare_methods, hit_tables
from devise_lib.report.generalized import generalized_tables
from devise_lib.report.hash_balance import MAX_TABLES
from devise_lib.report.page import SECTIONS, count, duration, percent, render
from devise_lib.report.papers import paper_tables
from devise_lib.report.pca_plane import fit_plane
from devise_lib.report.pictures import THUMBNAIL_SIDE, encode_jpeg
from devise_lib.report.search_content import (
    HashTable,
)
from devise_lib.report.training_snapshots import draw_snapshots
from devise_lib.spark.report.galleries import (
    DEFAULT_QUERIES,
    MAP_LABELS,
    NEIGHBOUR_ROWS,
    NEIGHBOURS,
    TAGS,
)
from tests.report.pages import JPEG, Page, empty, full, make_spread

MANY = [  # every method and variant, on five sets of photos and candidates
    Measurement(base + variant, photo_set, candidates, metric, k, 0.01 * k)
    for base in METHODS
    for variant in VARIANTS
    for photo_set, candidates, metric in [
        ("z unseen", "unseen_only", "hit"),
        ("z unseen", "unseen_and_seen", "hit"),
        ("z seen", "seen_only", "hit"),
        ("z seen", "unseen_and_seen", "hit"),
        ("z unseen", "2_hops", "hit"),
        ("z unseen", "2_hops", "hierarchical_precision"),
        ("z", "unseen_and_seen", "harmonic_mean"),
        ("z", "unseen_and_seen", "curve_seen"),
        ("z", "unseen_and_seen", "curve_unseen"),
    ]
    for k in (1, 2, 5, 10, 20)
]
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=y>"


@pytest.fixture(scope="module")
def page():
    return Page(render(full()))


@pytest.mark.parametrize(
    ("section", "texts"),
    [
        ("figures", ["a unseen", "225 photos", "DeViSE", "43.2\N{NO-BREAK SPACE}%", "Chance"]),
        ("tags", ["no photo was trained on", "✓ snow leopard", "cat", "0.80"]),
        ("text", ["“snow leopard”", "without a vector: xyzzy", "0.77", "no word has a vector"]),
        ("neighbours", ["bundle-1", "0.66"]),
        ("map", ["2 photos of some labels", "of the labels' variance"]),
        ("training", ["Mean loss of each epoch", "its control"]),
        ("index", ["IVF4,Flat", "nprobe=2", "12,346 queries/s", "Recall@10", "wanted 95.0"]),
        ("index", ["96.1\N{NO-BREAK SPACE}% (95.2\N{NO-BREAK SPACE}% to 97.0\N{NO-BREAK SPACE}%)"]),
        (
            "hash",
            [
                "2 of the 10 bits of all hash tables are outside",
                "2 of 10 bits are the same: try snow leopard",
            ],
        ),
        ("hash", ["hyperplanes", "80 photos had a code"]),
        ("hash", ["10.4\N{NO-BREAK SPACE}%", "2.4 of 4.0 bits", "60.0\N{NO-BREAK SPACE}%"]),
        ("hash", ["21 photos", "2.0\N{NO-BREAK SPACE}% to 77.0\N{NO-BREAK SPACE}%"]),
        ("words", ["31.4\N{NO-BREAK SPACE}%", "812 questions", "0.713", "exact 75.0"]),
        ("quarantine", ["3 in all", "ingest_photos", "empty", "/photos/a/b.jpg"]),
        ("jobs", ["embed_photos", "1 min 15 s", "80 embeddings", "2026-01-02 03:04"]),
        ("next", ["mlflow ui --backend-store-uri sqlite:////devise/mlflow.db", "/devise/tables"]),
    ],
)
def test_each_section_shows_its_figures(page, section, texts):
    for text in texts:
        assert text in page.sections[section]


def test_the_contents_name_every_section_and_each_has_its_place(page):
    targets = [a["href"][1:] for tag, a in page.tags if tag == "a" and a["href"][0] == "#"]
    places = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert [name for name, _ in SECTIONS] == [name for name in targets if name != "content"]
    assert set(targets) <= set(places)
    assert len(places) == len(set(places))


def test_photos_come_first_then_one_short_table_and_all_else_is_folded(page):
    places = [attrs["id"] for tag, attrs in page.tags if tag == "section"]
    assert places == [name for name, _ in SECTIONS]
    assert places[:5] == ["tags", "text", "neighbours", "map", "figures"]
    tags = [tag for tag, _ in page.tags]
    shown = [place for place, tag in enumerate(tags) if tag == "table" and not page.folded[place]]
    assert len(shown) == 1
    assert shown[0] > tags.index("img")
    assert "tr" not in tags[: tags.index("img")]
    assert not any(page.folded[place] for place, tag in enumerate(tags) if tag == "section")


def test_headings_skip_no_level_and_every_table_head_says_what_it_is_the_head_of(page):
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(attrs.get("scope") in ("row", "col") for tag, attrs in page.tags if tag == "th")


def test_the_head_of_the_page_tells_the_model_the_photos_the_labels_and_the_main_figure(page):
    head = " ".join(page.sections[""].split())
    for text in (
        "the model devise-v1",
        "80photos embedded, of 90; 3 files refused",
        "40labels, 9 of them unseen",
        "43.2 %hit@1 on unseen labels",
        "This is 4.3 times chance.",
        "567words with a vector, from 1,234 articles",
        "2026-01-02 03:04 UTC, seed 7",
        "trained by MLflow run run1",
        "numpy 1.26",
    ):
        assert text in head


def test_no_table_is_lost():
    """Every table of every kind of figure is on the page, with all its rows."""
    metrics = [*full().metrics, *MANY]
    page = Page(render(replace(full(), metrics=metrics)))
    hits, both, papers = hit_tables(metrics), generalized_tables(metrics), paper_tables(metrics)
    assert (len(hits), len(both), len(papers)) == (6, 1, 2)
    rows = sum(len(table.rows) + 1 for table in (*hits, *both, *papers))
    comparison = compare_methods(hits)
    assert comparison is not None
    rows += len(comparison.rows) + 1
    # With their heads: tests of words, refused files, jobs and their sum, hash tables.
    rows += 3 + 2 + 3 + 3
    tags = [tag for tag, _ in page.tags]
    assert tags.count("tr") == rows
    assert tags.count("table") == 1 + 6 + 1 + 2 + 4
    text = page.sections["figures"]
    for table in hits:
        assert table.photo_set in text
        assert table.candidates in text
    for title in [table.title for table in papers]:
        assert title in text


def test_a_page_of_as_many_photos_as_the_defaults_allow_is_below_2_mb():
    """Of noise, which JPEG takes the most bytes for, beside 20,000 labels in every plot."""
    noise, config = np.random.default_rng(0), Report()
    count = config.photos * (1 + DEFAULT_QUERIES) + NEIGHBOUR_ROWS * (1 + NEIGHBOURS)
    shape = (count, THUMBNAIL_SIDE, THUMBNAIL_SIDE, 3)
    photos = iter(
        Photo(f"{i}", f"/photos/a long folder name/{i:09}.jpg", "l", "snow leopard", encode_jpeg(p))
        for i, p in enumerate(noise.integers(0, 256, shape, np.uint8))
    )

    def hits(n: int) -> list[Hit]:
        return [Hit(next(photos), 0.5, True) for _ in range(n)]

    tags = [Tag("snow leopard", 0.5, False, True)] * TAGS
    points = MapPoints(
        [f"label {i}" for i in range(20_000)],
        [i % 2 == 0 for i in range(20_000)],
        noise.normal(size=(20_000, 8)).astype(np.float32),
        [f"label {i % MAP_LABELS}" for i in range(config.map_photos)],
        noise.normal(size=(config.map_photos, 8)).astype(np.float32),
    )
    followed = replace(
        points, photo_labels=points.photo_labels[:320], embeddings=points.embeddings[:320]
    )
    snapshots = draw_snapshots(dict.fromkeys(range(6), followed), fit_plane(points.vectors))
    content = replace(
        full(),
        metrics=[*full().metrics, *MANY],
        gallery=[TaggedPhoto(next(photos), tags) for _ in range(config.photos)],
        queries=[TextQuery(f"text {i}", hits=hits(config.photos)) for i in range(DEFAULT_QUERIES)],
        neighbours=[
            Neighbours(next(photos), "index", hits(NEIGHBOURS)) for _ in range(NEIGHBOUR_ROWS)
        ],
        map_points=points,
        training_plots={"snapshots.svg": snapshots},
        hash_spread=make_spread(noise.random((1_000, 62))),
    )
    source = render(content)
    assert next(photos, None) is None
    assert source.count("data:image/jpeg") == count == 102
    assert len(source.encode()) < 2_000_000


def test_the_page_asks_for_nothing_outside_itself(page):
    assert all(address.startswith(("data:", "#")) for address in page.addresses())
    assert not any(tag in ("script", "iframe", "object", "embed") for tag, _ in page.tags)
    assert not any("url(" in attrs.get("style", "") for _, attrs in page.tags)
    policy = [attrs["content"] for _, attrs in page.tags if "http-equiv" in attrs]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_every_picture_has_a_text_instead_and_photos_are_jpegs(page):
    pictures = [attrs for tag, attrs in page.tags if tag == "img"]
    assert all(attrs["alt"] for attrs in pictures)
    photo = f"data:image/jpeg;base64,{base64.b64encode(JPEG).decode()}"
    assert sum(attrs["src"] == photo for attrs in pictures) == 4  # tags, text, neighbours twice
    plots = 5  # hits, map, losses, recall, bits of the hash
    assert sum("svg" in attrs["src"] for attrs in pictures) == plots


def test_names_paths_and_messages_cannot_become_markup():
    clean, dirty = Page(render(full())), Page(render(full(EVIL, f"/photos/{EVIL}")))
    assert [tag for tag, _ in dirty.tags] == [tag for tag, _ in clean.tags]
    assert [sorted(a) for _, a in dirty.tags] == [sorted(a) for _, a in clean.tags]
    for section in ("tags", "text", "neighbours", "hash", "words", "quarantine"):
        assert "<script>alert(1)</script>" in dirty.sections[section]


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ("figures", "run evaluate"),
        ("tags", "run predict_labels"),
        ("text", "Set report.queries"),
        ("neighbours", "run find_neighbours"),
        ("map", "at least three labels"),
        ("training", "run train_devise"),
        ("index", "run build_index"),
        ("hash", "run build_signatures"),
        ("words", "set train_word2vec.analogies"),
        ("quarantine", "No photo is in quarantine"),
        ("jobs", "No job has left a record"),
        ("next", "the MLflow store that tracking_uri"),
    ],
)
def test_a_part_that_is_not_there_is_said_in_words(section, text):
    assert text in Page(render(empty())).sections[section]


def test_a_photo_without_picture_label_or_path_is_shown_as_such():
    content = full()
    photo = replace(content.gallery[0].photo, jpeg=None, truth="", label="", path="")
    page = Page(render(replace(content, gallery=[replace(content.gallery[0], photo=photo)])))
    assert "no picture" in page.sections["tags"]
    assert "no label" in page.sections["tags"]


def test_a_hash_of_which_nothing_stands_out_has_no_advice_and_one_photo_has_no_entropy():
    spread = replace(make_spread([[0.5]]), tables=[HashTable(0, 1.0, 1.0, 0.0, 0.0, [0.5])])
    page = Page(render(replace(full(), hash_spread=spread)))
    assert "This stands out" not in page.sections["hash"]
    assert "0.0 of 0.0 bits" in page.sections["hash"]
    assert "0 of the 1 bits of all hash tables are outside" in page.sections["hash"]


def test_of_many_hash_tables_the_fullest_are_listed():
    page = Page(render(replace(full(), hash_spread=make_spread([[0.5]] * 30))))
    assert f"show {MAX_TABLES} of the 30 hash tables" in page.sections["hash"]
    assert "39 photos" in page.sections["hash"]
    assert "10 photos" not in page.sections["hash"]


def test_two_labels_make_no_map():
    content = full()
    assert content.map_points is not None
    points = replace(content.map_points, names=["a", "b"], vectors=content.map_points.vectors[:2])
    page = Page(render(replace(content, map_points=points)))
    assert "at least three labels" in page.sections["map"]


def test_numbers_read_well():
    assert percent(0.12345) == "12.3\N{NO-BREAK SPACE}%"
    assert count(1234567.0) == "1,234,567"
    assert [duration(s) for s in (0.04, 59.9, 61.0, 3600.0 * 2 + 60)] == [
        "0.0 s",
        "59.9 s",
        "1 min 1 s",
        "2 h 1 min",
    ]
