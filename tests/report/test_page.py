import base64
import hashlib
import json
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from devise_lib.config.reporting import Report
from devise_lib.report.content import (
    Content,
    DuplicateGroup,
    Duplicates,
    Hit,
    MapPoints,
    Measurement,
    Neighbours,
    Photo,
    SearchMaterial,
    Tag,
    TaggedPhoto,
    TextQuery,
)
from devise_lib.report.figures import METHODS, VARIANTS, compare_methods, hit_tables
from devise_lib.report.generalized import generalized_tables
from devise_lib.report.hash_balance import MAX_TABLES
from devise_lib.report.page import SECTIONS, percent, render
from devise_lib.report.papers import paper_tables
from devise_lib.report.parts.bars import count, duration
from devise_lib.report.pca_plane import fit_plane
from devise_lib.report.pictures import THUMBNAIL_SIDE, encode_jpeg
from devise_lib.report.search_content import (
    HashTable,
)
from devise_lib.report.training_snapshots import draw_snapshots
from devise_lib.spark.report.duplicate_rows import GROUPS, OF_A_GROUP
from devise_lib.spark.report.galleries import NEIGHBOUR_ROWS, NEIGHBOURS, TAGS
from devise_lib.spark.report.map_sample import MAP_LABELS
from devise_lib.spark.report.search_words import MAX_WORDS
from tests.report.pages import Page, empty, full, make_spread

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
        ("duplicates", ["3 groups, 9 photos in all", "keep", "0.9987", "and 2 more"]),
        ("map", ["Each point is one of 2 photos", "of the variance of the coloured labels"]),
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
        ("hash", ["hash table 1", "4.2 times equal buckets"]),
        ("hash", ["21 photos", "2.0\N{NO-BREAK SPACE}% to 77.0\N{NO-BREAK SPACE}%"]),
        ("words", ["31.4\N{NO-BREAK SPACE}%", "812 questions", "0.713", "exact 75.0"]),
        ("quarantine", ["3 in all", "by ingest_photos", "empty", "/photos/a/b.jpg"]),
        ("jobs", ["embed_photos", "1 min 15 s", "80 embeddings", "2026-01-02 03:04"]),
        ("jobs", ["Time and cost", "4 cores at a price of 0.6", "costs 0.0500", "0.0500 in all"]),
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


def test_photos_come_first_then_one_short_table_and_every_other_table_is_folded(page):
    places = [attrs["id"] for tag, attrs in page.tags if tag == "section"]
    assert places == [name for name, _ in SECTIONS]
    assert places[:6] == ["tags", "text", "neighbours", "duplicates", "map", "figures"]
    assert places[6:11] == ["training", "index", "hash", "quarantine", "jobs"]
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
        "What a model found in 80 photos",
        "80 photos have a place among words, of 90 that were taken in; 3 files were refused",
        "40 labels, 9 of them unseen",
        "hit@1 on unseen labels",
        "43.2 % of the photos of things that the model never saw got their right name first",
        "This is 4.3 times chance.",
        "567 words with a vector, from 1,234 articles",
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
    # With their heads: tests of words, refused files, jobs, hash tables.
    rows += 3 + 2 + 2 + 3
    tags = [tag for tag, _ in page.tags]
    assert tags.count("tr") == rows
    assert tags.count("table") == 1 + 6 + 1 + 2 + 4
    text = page.sections["figures"]
    for table in hits:
        assert table.photo_set in text
        assert table.candidates in text
    for title in [table.title for table in papers]:
        assert title in text


def overfull(most: int, queries: int, d: int) -> Content:
    """A page of noise, for which pictures take the most bytes, with many labels and words.

    Args:
        most: photos of a gallery.
        queries: their number.
        d: numbers of a vector.
    """
    noise, config = np.random.default_rng(0), Report()
    shape = (THUMBNAIL_SIDE, THUMBNAIL_SIDE, 3)
    jpegs = [encode_jpeg(noise.integers(0, 256, shape, np.uint8)) for _ in range(8)]
    made: list[Photo] = []

    def photo() -> Photo:
        number = len(made)
        path = f"/photos/a long folder name/{number:09}.jpg"
        made.append(Photo(f"{number:032}", path, "l", "snow leopard", jpegs[number % 8]))
        return made[-1]

    def hits(n: int) -> list[Hit]:
        return [Hit(photo(), 0.5, True) for _ in range(n)]

    tags = [Tag("snow leopard", 0.5, False, True)] * TAGS
    asked = [TextQuery(f"text {i}", hits=hits(most)) for i in range(queries)]
    gallery = [TaggedPhoto(photo(), tags) for _ in range(most)]
    near = [Neighbours(photo(), "index", hits(NEIGHBOURS)) for _ in range(NEIGHBOUR_ROWS)]
    groups = [DuplicateGroup(hits(OF_A_GROUP), 99) for _ in range(GROUPS)]
    of_map = [photo() for _ in range(config.map_photos)]
    points = MapPoints(
        [f"label {i}" for i in range(2_000)],
        [i % 2 == 0 for i in range(2_000)],
        noise.normal(size=(2_000, d)).astype(np.float32),
        [f"label {i % MAP_LABELS}" for i in range(config.map_photos)],
        noise.normal(size=(config.map_photos, d)).astype(np.float32),
        [photo.photo_id for photo in of_map],
    )
    followed = replace(
        points, photo_labels=points.photo_labels[:320], embeddings=points.embeddings[:320]
    )
    snapshots = draw_snapshots(dict.fromkeys(range(6), followed), fit_plane(points.vectors))
    return replace(
        full(),
        metrics=[*full().metrics, *MANY],
        gallery=gallery,
        queries=asked,
        neighbours=near,
        duplicates=Duplicates(1_000, 9_999, groups),
        map_points=points,
        search=SearchMaterial(
            [f"a word of some length {i}" for i in range(MAX_WORDS)],
            noise.normal(size=(MAX_WORDS, d)).astype(np.float32),
            made,
            noise.normal(size=(len(made), d)).astype(np.float32),
            5,
            0.5,
        ),
        training_plots={"snapshots.svg": snapshots},
        hash_spread=make_spread(noise.random((1_000, 62))),
    )


def test_the_page_stays_below_2_mb_with_the_greatest_settings():
    most = overfull(most=48, queries=12, d=300)
    with pytest.raises(ValueError, match="48"):
        Report(photos=49)
    with pytest.raises(ValueError, match="12"):
        Report(queries=["text"] * 13)
    source = render(most)
    assert len(source.encode()) < 2_000_000
    assert source.count("data:image/webp") > 13 * 48
    assert "a word of some length 99" in source


def test_the_folded_tables_are_the_last_to_go():
    metrics = [*full().metrics, *MANY]
    whole = render(replace(full(), metrics=metrics))
    size = len(whole.encode())
    assert "All methods" in Page(whole).sections["figures"]
    less = render(replace(full(), metrics=metrics), size - 50_000)
    assert len(less.encode()) < size - 50_000
    assert "The other tables of methods are left out" in Page(less).sections["figures"]


def test_the_page_asks_for_nothing_outside_itself(page):
    assert all(address.startswith(("data:", "#")) for address in page.addresses())
    assert not any(tag in ("iframe", "object", "embed") for tag, _ in page.tags)
    assert not any("url(" in attrs.get("style", "") for _, attrs in page.tags)
    policy = [attrs["content"] for _, attrs in page.tags if "http-equiv" in attrs]
    rules = dict(rule.strip().split(" ", 1) for rule in policy[0].split(";"))
    assert rules.pop("script-src").startswith("'sha256-")
    assert rules == {"default-src": "'none'", "img-src": "data:", "style-src": "'unsafe-inline'"}


def test_a_browser_runs_the_one_script_of_the_page_and_no_other():
    """The policy names the digest of its text; the other script element is data."""
    source = render(full())
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", source, re.DOTALL)
    assert [attributes for attributes, _ in scripts] == [
        ' type="application/json" id="search-data"',
        "",
    ]
    digest = base64.b64encode(hashlib.sha256(scripts[1][1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in source


def test_without_words_to_search_by_there_is_no_script_and_no_input():
    page = Page(render(replace(full(), search=None)))
    assert not any(tag in ("script", "input", "dialog") for tag, _ in page.tags)
    assert "“snow leopard”" in page.sections["text"]


def test_every_picture_has_a_text_instead_and_the_photos_say_what_they_are(page):
    pictures = [attrs for tag, attrs in page.tags if tag == "img"]
    assert all(attrs["alt"] for attrs in pictures)
    photos = [attrs for attrs in pictures if "data-photo" in attrs]
    assert len(photos) == 6  # tags, text, neighbours and duplicates twice each
    assert {attrs["alt"] for attrs in photos} == {"a photo labelled snow leopard"}
    assert all(attrs["src"].startswith("data:image/webp;base64,") for attrs in photos)
    plots = 4  # hits, losses, recall, bits of the hash
    assert sum("svg" in attrs["src"] for attrs in pictures) == plots


def test_names_paths_and_messages_cannot_become_markup():
    source = render(full(EVIL, f"/photos/{EVIL}"))
    clean, dirty = Page(render(full())), Page(source)
    assert [tag for tag, _ in dirty.tags] == [tag for tag, _ in clean.tags]
    assert [sorted(a) for _, a in dirty.tags] == [sorted(a) for _, a in clean.tags]
    for section in ("tags", "text", "neighbours", "duplicates", "map", "hash", "words"):
        assert "<script>alert(1)" in dirty.sections[section]
    data = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', source, re.DOTALL)
    assert json.loads(data[0])["words"][0] == EVIL


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ("figures", "run evaluate"),
        ("tags", "run predict_labels"),
        ("text", "Set report.queries"),
        ("neighbours", "run find_neighbours"),
        ("duplicates", "DUPLICATE_GROUPS has no group of this model"),
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
