import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.text.wikipedia.page_kinds import is_disambiguation, redirect_target


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Mercury (disambiguation)", ""),
        ("Mercury", "'''Mercury''' may refer to:\n* [[Mercury (planet)]]"),
        ("Mercury", "* [[Mercury (planet)]]\n{{Disambig}}"),
        ("Меркурій", "* [[Меркурій (планета)]]\n{{Неоднозначність}}"),
        ("Mercury", "{{Human name disambiguation}}"),
        ("Hoa (định hướng)", ""),
        ("तुकाराम (निःसंदिग्धीकरण)", "{{निःसंदिग्धीकरण}}"),
        ("तुकाराम", "{{ निःसंदिग्धीकरण }}"),
        ("আলো", "{{দ্ব্যর্থতা নিরসন}}"),
        ("Արամ (այլ կիրառումներ)", ""),
        ("Արամ", "{{Բազմիմաստություն}}"),
        ("Mercury", "{{hndis-cleanup|name=Mercury}}"),
        ("Меркурий", "{{неоднозначность/имя}}"),
    ],
)
def test_knows_disambiguation_pages(title, text):
    assert is_disambiguation(text, title)


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Mercury (planet)", "Mercury is a planet. The name may refer to a god."),
        ("Disambiguation", "{{About|the word}} is the removal of ambiguity."),
        ("Foo", "Foo was a [[Mercury]]{{disambiguation needed|date=May 2020}} worker."),
        ("Foo", "Foo was a [[Mercury]]{{dab needed}} worker."),
        ("Foo", "Foo was a [[Mercury]]{{Disambiguation link needed|date=May 2020}} worker."),
        ("Foo", "{{For disambiguation}} Foo was a worker."),
        ("Merkur", "{{Begriffsklärungshinweis}}\nDer Merkur ist ein Planet."),
        ("Меркурий", "{{значения|Меркурий (значения)}}\nМеркурий — планета."),  # noqa: RUF001
    ],
)
def test_takes_no_article_for_a_disambiguation_page(title, text):
    assert not is_disambiguation(text, title)


def test_a_wiki_may_name_further_templates_of_its_own():
    """Kind of fault: a fixed list of languages, to which nobody can add."""
    text = "* a\n{{Folacoma|b}}"
    assert not is_disambiguation(text, "A")
    assert is_disambiguation(text, "A", templates=("folacoma",))
    assert is_disambiguation("{{dés}}", "A", templates=("de\u0301s",))


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("#REDIRECT [[Grey heron]]", "Grey heron"),
        ("#redirect[[Grey_heron]]\n{{R from plural}}", "Grey heron"),
        (" \n#Redirect: [[Grey heron#Calls|herons]] and more text", "Grey heron"),
        ("#WEITERLEITUNG [[Graureiher]]", "Graureiher"),
        ("#REDIRECCIÓN [[:Categoría:Aves]]", "Categoría:Aves"),
        ("#перенаправление [[Серая цапля]]\n\n[[Категория:Птицы]]", "Серая цапля"),
        ("#転送 [[鷺]]", "鷺"),
        ("#अनुप्रेषित [[भारत]]", "भारत"),  # marks stand within the word
        ("#เปลี่ยนทาง [[ก]]", "ก"),
        ("#REDIRECT [[grey heron]]", "Grey heron"),
        ("#Alpha [[Beta]] is the first of a list\n#Gamma", None),
        ("# [[Beta]]", None),
        ("#REDIRECT Grey heron", None),
        ("A page on #REDIRECT [[a]]", None),
        ("", None),
    ],
)
def test_a_redirect_is_told_by_its_text(text, target):
    """Kind of fault: what only newer dumps say in an element is not looked for in the text."""
    assert redirect_target(text) == target


@given(st.text("#redict[]: |{}\n", max_size=40))
def test_never_fails_on_a_text_that_only_resembles_a_redirect(text):
    target = redirect_target("#REDIRECT" + text)
    assert target is None or target.casefold() in text.casefold()
