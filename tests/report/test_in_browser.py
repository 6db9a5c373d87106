"""The page in headless Chromium: it fits, its pictures load, and its search, dialog and map work.

The tests skip where the machine has no Chromium. CONTRIBUTING.md says how to get one.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from devise_lib.report.page import render
from devise_lib.search.text import embed_text
from devise_lib.text.tokens import words
from tests.report.pages import empty, full, searchable

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = (
    *("--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--disable-dev-shm-usage"),
)
WIDTHS = (400, 1600)
SHOWN = 12  # photos of an answer


def find_chromium() -> str:
    """The path of the machine's Chromium; "" if it has none."""
    return next(filter(None, map(shutil.which, NAMES)), "")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if not path:
        pytest.skip(f"no Chromium on the PATH; want one of {', '.join(NAMES)}")
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []  # root has no sandbox
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=[*OPTIONS, *as_root])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The addresses of the pages by name."""
    folder = tmp_path_factory.mktemp("pages")
    long_name = "a_label_of_one_very_long_word_" * 4
    pages = {
        "searchable": searchable(),
        "empty": empty(),
        "long": replace(full(long_name), training_plots={}),
    }
    for name, content in pages.items():
        (folder / f"{name}.html").write_text(render(content), encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in pages}


def open_page(browser: Browser, address: str, width: int, **options) -> SimpleNamespace:
    """A page with what it complained of, and the addresses that it asked for."""
    page = browser.new_page(viewport={"width": width, "height": 900}, **options)
    page.set_default_timeout(10_000)
    opened = SimpleNamespace(page=page, faults=[], asked=[])
    page.on("console", lambda message: opened.faults.append(message.text))
    page.on("pageerror", lambda error: opened.faults.append(str(error)))
    page.on("request", lambda request: opened.asked.append(request.url))
    page.goto(address)
    return opened


@pytest.fixture
def page(browser, files) -> Iterator[Page]:
    """The page to search in, once its script has begun."""
    opened = open_page(browser, files["searchable"], 1600)
    opened.page.wait_for_selector("html[data-ready]")
    yield opened.page
    assert opened.faults == []
    opened.page.close()


@pytest.mark.parametrize("name", ["searchable", "long", "empty"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_fits_loads_its_pictures_and_asks_for_nothing(browser, files, width, scheme, name):
    opened = open_page(browser, files[name], width, color_scheme=scheme)
    page = opened.page
    if name != "empty":
        page.wait_for_selector("html[data-ready]")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    pictures = page.evaluate(
        "[...document.images].map((image) => [image.naturalWidth > 0, image.alt.trim() !== ''])"
    )
    assert all(loaded and told for loaded, told in pictures)
    assert bool(pictures) == (name != "empty")
    assert opened.faults == []
    assert [url for url in opened.asked if not url.startswith("data:")] == [files[name]]
    page.close()


CONTRASTS = """() => {
  const light = ([r, g, b]) => {
    const part = (c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = numbers(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll("main *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || element.closest("svg") || !element.checkVisibility()) continue;
    const pair = [light(numbers(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < 4.5) faint.push(element.outerHTML);
  }
  return faint;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(browser, files, scheme):
    """By a contrast of 4.5 to 1 at least."""
    opened = open_page(browser, files["searchable"], 1600, color_scheme=scheme)
    opened.page.wait_for_selector("html[data-ready]")
    opened.page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    assert opened.page.evaluate(CONTRASTS) == []
    opened.page.close()


def expected(text: str, without: str = "") -> list[str]:
    """The labels of the photos for a text in their order, by the search of bundles in float32."""
    material = searchable().search
    assert material is not None
    vectors = dict(zip(material.words, material.word_vectors, strict=True))
    query = embed_text(words(text), vectors, words(without)).vector
    order = np.argsort(-(material.embeddings @ query), kind="stable")[:SHOWN]
    return [material.photos[row].photo_id for row in order]


def found(page: Page) -> list[str]:
    return page.eval_on_selector_all("#results .pick", "(all) => all.map((e) => e.dataset.photo)")


def ask(page: Page, text: str) -> str:
    """Type a text, press Enter, and return what the page says of it."""
    page.fill("#query", text)
    page.press("#query", "Enter")
    return page.inner_text("#status")


@pytest.mark.parametrize(
    ("typed", "text", "without"),
    [
        ("zebra", "zebra", ""),
        ("Horse's  ZEBRA", "horse zebra", ""),
        ("fire truck sea", "fire truck sea", ""),
        ("striped horse -zebra", "striped horse", "zebra"),
        ("-church rose -sea", "rose", "church sea"),
    ],
)
def test_a_search_finds_the_photos_that_a_search_of_the_bundle_finds(page, typed, text, without):
    says = ask(page, typed)
    assert found(page) == expected(text, without)
    assert "The 12 photos nearest to" in says
    assert ("not " in says) == bool(without)


def test_the_first_photos_of_a_word_have_its_label_and_a_score(page):
    ask(page, "fire_truck")
    assert set(page.locator("#results img").evaluate_all("(all) => all.map((i) => i.alt)")[:4]) == {
        "a photo labelled fire truck"
    }
    scores = [float(text) for text in page.locator("#results .num").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)
    assert 0.7 < scores[0] <= 1.0
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")


def test_an_unknown_word_is_told_with_the_nearest_spelling_which_a_click_takes(page):
    says = ask(page, "zebar xyzzyplugh")
    assert "does not know \u201czebar\u201d. Did you mean zebra?" in " ".join(says.split())
    assert "does not know \u201cxyzzyplugh\u201d." in says
    assert found(page) == []
    page.click("#status button")
    assert page.input_value("#query") == "zebra xyzzyplugh"
    assert found(page) == expected("zebra")


def test_words_that_leave_nothing_to_search_for_are_told(page):
    assert "Give a word to search for" in ask(page, "-zebra")
    assert found(page) == []
    assert ask(page, "") == ""


def test_what_is_typed_is_text_and_not_markup(page):
    says = ask(page, "<img src=x onerror=alert(1)>")
    assert "onerror" in says
    assert page.locator("#status img").count() == 0


def test_the_search_is_told_to_those_who_do_not_see_it_and_tab_reaches_it(page):
    assert page.get_attribute("#status", "aria-live") == "polite"
    assert page.get_by_label("Find photos of this page by words").count() == 1
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "query":
            break
    else:
        pytest.fail("Tab does not reach the input")
    page.keyboard.type("ship")
    page.keyboard.press("Enter")
    assert found(page) == expected("ship")


def test_enter_on_a_photo_shows_the_photos_near_it_and_escape_leads_back(page):
    photo = page.locator("#tags img").first
    photo.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#near")).to_be_visible()
    assert page.inner_text("#near h2") == "zebra"
    alts = page.locator("#near li img").evaluate_all("(all) => all.map((image) => image.alt)")
    assert alts[:3] == ["a photo labelled zebra"] * 3
    page.locator("#near li button").last.click()
    assert page.inner_text("#near h2") != "zebra"
    page.keyboard.press("Escape")
    expect(page.locator("#near")).not_to_be_visible()
    assert photo.evaluate("(image) => image === document.activeElement")


def test_a_point_of_the_map_shows_its_photo_on_focus_and_the_arrow_keys_lead_on(page):
    card, points = page.locator(".map .card"), page.locator(".map .point")
    assert points.count() == 24
    assert page.locator('.map .point[tabindex="0"]').count() == 1
    page.locator('.map .point[tabindex="0"]').focus()
    expect(card).to_be_visible()
    first = page.evaluate("document.activeElement.dataset.photo")
    assert card.inner_text() == first.partition("-")[0].replace("_", " ")
    assert card.locator("img").evaluate("(image) => image.naturalWidth > 0")
    seen = {first}
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
        seen.add(page.evaluate("document.activeElement.dataset.photo"))
    assert len(seen) > 1
    assert page.locator('.map .point[tabindex="0"]').count() == 1
    page.keyboard.press("Enter")
    expect(page.locator("#near")).to_be_visible()


def test_a_point_of_the_map_shows_its_photo_while_it_is_pointed_at(page):
    card = page.locator(".map .card")
    page.locator(".map .point").last.hover(force=True)
    expect(card).to_be_visible()
    page.locator("#map h2").hover()
    expect(card).not_to_be_visible()


def test_without_javascript_the_page_shows_its_searches_and_no_dead_input(browser, files):
    opened = open_page(browser, files["searchable"], 1600, java_script_enabled=False)
    expect(opened.page.locator("#text")).to_contain_text("\u201czebra\u201d")
    expect(opened.page.locator("#query")).not_to_be_visible()
    expect(opened.page.locator("#tags img").first).to_be_visible()
    opened.page.close()
