import base64
from dataclasses import replace

import pytest

from devise_lib.report.page import SECTIONS, count, duration, percent, render
from tests.report.pages import JPEG, Page, empty, full

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
        ("index", ["IVF4,Flat", "96.1\N{NO-BREAK SPACE}%, wanted 95.0\N{NO-BREAK SPACE}%"]),
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
    plots = 4  # hits, map, losses, recall
    assert sum("svg" in attrs["src"] for attrs in pictures) == plots


def test_names_paths_and_messages_cannot_become_markup():
    clean, dirty = Page(render(full())), Page(render(full(EVIL, f"/photos/{EVIL}")))
    assert [tag for tag, _ in dirty.tags] == [tag for tag, _ in clean.tags]
    assert [sorted(a) for _, a in dirty.tags] == [sorted(a) for _, a in clean.tags]
    for section in ("tags", "text", "neighbours", "words", "quarantine"):
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
