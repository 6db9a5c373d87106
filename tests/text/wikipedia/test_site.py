import re

import pytest

from devise_lib.text.wikipedia.site import LANGUAGES, UNKNOWN_SITE, WikiSite

POLISH = WikiSite.of([(0, ""), (1, "Dyskusja"), (2, "Wikipedysta"), (6, "Plik"), (14, "Kategoria")])


@pytest.mark.parametrize(
    ("title", "number"),
    [
        ("Czapla siwa", 0),
        ("Dyskusja:Czapla", 1),
        ("dyskusja: Czapla", 1),
        ("Talk:Heron", 1),  # English names hold everywhere
        ("User_talk:Someone", 3),
        ("Kategoria:Czaple", 14),
        ("Star Trek: Voyager", 0),
        (":Kategoria:Czaple", 0),
        ("", 0),
    ],
)
def test_a_title_begins_with_the_name_of_its_namespace(title, number):
    assert POLISH.namespace_of(title) == number


@pytest.mark.parametrize(
    "target",
    ["Kategoria:Czaple", "PLIK: a", "File:a", "Image:a", "de:Reiher", "zh-min-nan:a", "Bild:a.PNG"],
)
def test_files_categories_and_translations_show_nothing_where_they_stand(target):
    assert POLISH.shows_nothing(target)
    assert not POLISH.shows_nothing(f":{target}")


@pytest.mark.parametrize(
    "target",
    [
        "Czapla",
        "Wikipedysta:a",
        "voy:Paris",
        "hdl:10/20",
        "doi:10.1/a",
        "Media:a.ogg",
        "Fate: zero",
    ],
)
def test_other_links_show_their_text(target):
    assert not POLISH.shows_nothing(target)


def test_a_wiki_without_a_head_has_the_english_names():
    assert UNKNOWN_SITE.shows_nothing("Category:Herons")
    assert not UNKNOWN_SITE.shows_nothing("Kategoria:Czaple")


def test_the_codes_of_languages_are_whole():
    """A code that a line break had cut in two would hide links to titles of that name."""
    assert len(LANGUAGES) > 300
    odd = {code for code in LANGUAGES if not re.fullmatch(r"[a-z]{2,3}(-[a-z]{2,})*", code)}
    assert odd == {"simple", "be-x-old"}
    assert {"zh-classical", "zh-min-nan", "bat-smg", "roa-tara"} <= LANGUAGES
