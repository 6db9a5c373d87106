import bz2
import re
import time
from collections import Counter

import mwparserfromhell
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.text.wikipedia.dump import plan_ranges, read_pages
from devise_lib.text.wikipedia.site import WikiSite
from devise_lib.text.wikipedia.wikitext import clean

pieces_of_markup = st.sampled_from(
    ["{{", "}}", "[[", "]]", "{|", "|}", "|", "\n", "<ref>", "</ref>", "<!--", "-->", "''", "'''",
     "<br/>", "<nowiki>", "</nowiki>", "==", "* ", "File:a.jpg", "[http://a.b c]", "&amp;", "word",
     " ", ":", "<", ">", "__TOC__", "("]
)  # fmt: skip


@pytest.mark.parametrize(
    ("wikitext", "want"),
    [
        ("A '''lion''' is a ''big'' cat.", "A lion is a big cat."),
        ("{{Infobox|a={{b|c}}|d=[[e]]}}The cat.", "The cat."),
        ("The [[snow leopard|leopards]] and [[wolf|wolves]].", "The leopards and wolves."),
        ("The [[cat]]s of [[:Category:Cats]].", "The cats of Category:Cats."),
        ("It{{cn}} purrs<ref name=a>{{cite|x}}</ref>.<ref name=a />", "It purrs."),
        ("[[File:a.jpg|thumb|A [[cat]] on a [[mat]]]]Text", "Text"),
        ("Text\n[[Category:Cats]]\n[[de:Katze]]", "Text"),
        ("a\n{| class=x\n|-\n| b || {{c}}\n{|\n| nested\n|}\n|}\nd", "a\nd"),
        ("== Early life ==\nBorn.", "Early life\nBorn."),
        ("* one\n** two\n: three\n# four", "one\ntwo\nthree\nfour"),
        ("a<!-- {{ hidden --> b", "a b"),
        ("<math>x^{2}}}</math>y<gallery>\nFile:a.jpg|b\n</gallery>", "y"),
        ("<nowiki>[[kept]] ''kept''</nowiki>", "[[kept]] ''kept''"),
        ("H<sub>2</sub>O, 3&nbsp;km &lt;b&gt; &amp; more", "H2O, 3 km <b> & more"),
        ("See [http://a.b/c the site], [http://a.b] and http://a.b/c?d.", "See the site, and ."),
        ("Rome ({{lang|it|Roma}}; {{IPA|x}}) is old", "Rome is old"),
        ("__NOTOC__ a <br> b <div style='x'>c</div>", "a b\nc"),
        ("L'''''amour''''' and l''''x'''", "Lamour and l'x"),
        ("{{open template\n[[a|b]] text", "open template\nb text"),
        ("[[open link\n\ntext [[a]]", "open link\n\ntext a"),
        ("<ref>open reference. Text", "open reference. Text"),
        ("Achilles ({{IPA|x}}; {{lang|grc|y}}, ''Akhilleus'',) of", "Achilles (Akhilleus) of"),
        ("a ({{lang|x}}, {{b}}; born 1950 ({{c}})), b", "a (born 1950), b"),
        ("A, B,{{x}}; C ({{x}}, D; E {{x}}, {{y}})", "A, B; C (D; E)"),
        ("a __NOTOC__ b __目次強制__ __ÄÖÜ__ c __init__", "a b c __init__"),
        ("A<hiero>N5:Z1</hiero> b<includeonly>c</includeonly><ce>H2O</ce> d", "A b d"),
        ("-{zh-hans:一; zh-hant:二}- -{三}--{H|zh-cn:四}- 5-{{x}}-6 -{A|zh:七}-", "一 三 5--6 七"),
        ("{{a|\n{| class=b\n|-\n| c {{d|e}}\n|}\n}}f <ref name=x/>g<ref name='y' />", "f g"),
        (
            "ISBN 978-3-16-148410-0 and 5&nbsp;km<br />6&#8211;7",
            "ISBN 978-3-16-148410-0 and 5 km 6\u20137",
        ),
        ("1 < 2 and 3 > 2; {x}", "1 < 2 and 3 > 2; {x}"),
        ("plain text.\n\n\n\nMore  of\tit ", "plain text.\n\nMore of it"),
        ("", ""),
    ],
)
def test_keeps_the_text_and_leaves_the_markup_out(wikitext, want):
    assert clean(wikitext) == want


FELINE = """{{Short description|Species of cat}}
{{Infobox animal
| name = Marsh cat
| image = {{#if:x|Marsh cat.jpg}}
| range = {| class="wikitable"
|-
! Land !! Since
|-
| [[Poland]] || {{circa|1900}}
|}
}}
[[File:Marsh cat.jpg|thumb|upright=1.2|A [[marsh|wetland]] cat{{efn|In winter.}} near [[Plock]]]]
The '''marsh cat''' (''Felis palustris''; {{lang-pl|kot błotny}}) is a small [[wild cat]] of
[[Europe|eastern Europe]]an marshes.<ref name="smith">{{cite book |title=[[Cats]] |year=1999}}
</ref><ref name=jones/> It weighs {{convert|5|kg|lb}}<!-- check --> &amp; more.

== Behaviour{{anchor|Life}} ==
{{Main|Cat behaviour}}
It hunts:
* [[vole]]s&nbsp;and '''mice''';
* [[Coot (bird)|coots]].<br />At night, or {{nowrap|after dusk}}, it sleeps.

{| class="wikitable sortable"
|+ Sightings
! Year !! Cats
|-
| 1990 || 12<ref>Survey.</ref>
|}

=== In culture ===
<blockquote>Soft as reeds.</blockquote>
<gallery mode=packed>
File:Coat.jpg|Coat of arms
</gallery>
A speed of <math>v = {s \\over t}</math> was [https://example.org/cat measured] once.

== References ==
{{reflist|2}}
[[Category:Cats]]
[[Category:Mammals of Europe|Marsh]]
[[pl:Kot błotny]]
"""

FELINE_TEXT = """The marsh cat (Felis palustris) is a small wild cat of
eastern European marshes. It weighs & more.

Behaviour

It hunts:
voles and mice;
coots. At night, or, it sleeps.

In culture

Soft as reeds.

A speed of was measured once.

References"""


def test_of_an_article_its_text_its_headings_and_its_lists_are_left():
    assert clean(FELINE) == FELINE_TEXT


@given(st.lists(pieces_of_markup, max_size=40).map("".join))
def test_never_fails_and_leaves_no_double_brackets(wikitext):
    wikitext = re.sub("</?nowiki>", "", wikitext)  # brackets inside it are text
    assert not re.search(r"\{\{|\}\}|\[\[|\]\]|\n\n\n", clean(wikitext))


@pytest.mark.parametrize(
    ("wikitext", "want"),
    [
        ("''Silver Heron'''s crew.", "Silver Heron's crew."),
        ("Le héros de l'''Odyssée'' parle.", "Le héros de l'Odyssée parle."),
        ("un'''altra'' volta", "un'altra volta"),
        ("L'''''amour''''' reste", "Lamour reste"),
        ("'''[[Berlin]]'''er", "Berliner"),
        ("''[[Iliad|''Iliad'']]'''s end", "Iliad's end"),
        ("'''[[Foo|L'''Odyssée'']]''' x", "L'Odyssée x"),  # a link's text is decided alone
        ("[[Lista d''e paise]]", "Lista d''e paise"),  # and a target has no quotes
        ("one ''a\ntwo b''' c", "one a\ntwo b c"),  # runs of two lines
        ("''a''<ref>x</ref>'b'", "a'b'"),
        ("''a{{x}}'''b", "a'b"),
        ("''θ''<sub>''i''</sub>", "θi"),
    ],
)
def test_apostrophes_are_told_from_bold_and_italic_by_the_line(wikitext, want):
    """Kind of fault: a sign whose meaning depends on its line is decided on its own."""
    assert clean(wikitext) == want


@pytest.mark.parametrize(
    ("wikitext", "want"),
    [
        ("L<nowiki>'</nowiki>'''andalousie'''", "L'andalousie"),
        ("d'<nowiki/>''ailleurs''", "d'ailleurs"),
        ("[[rook]]<nowiki/>s", "rooks"),
        ("<pre>don't</pre>", "don't"),
        ("<pre>a = {b: [1, 2]}\n* c | d < e</pre>", "a = {b: [1, 2]}\n* c | d < e"),
        ("a <nowiki>&lt;b&gt; __TOC__ == {{c}}</nowiki>", "a <b> __TOC__ == {{c}}"),
        ("<pre>\n# include\n: x\n; y\n\n</pre>", "# include\n: x\n; y"),
        ("<nowiki>R&D; &amp;lt; &#91;x&#93; (a,;)</nowiki>", "R&D; &lt; [x] (a,;)"),
        ("= <nowiki>=</nowiki> =", "="),
    ],
)
def test_what_nowiki_and_pre_hold_stays_as_it_stands(wikitext, want):
    """Kind of fault: signs that are text are taken for markup by a later step."""
    assert clean(wikitext) == want


@pytest.mark.parametrize(
    ("wikitext", "want"),
    [
        ("L{{'}}'''Andalousie'''", "L'Andalousie"),
        ("the ship{{'s}} crew", "the ship's crew"),
        ("5{{nbsp}}km", "5 km"),
        ("soft{{shy}}ware long{{wbr}}word one{{zwsp}}two", "software longword onetwo"),
        ("L{{\u2019}}''Andalousie''", "L'Andalousie"),
        ("one{{sfn|A|1}}two<ref>b</ref>three<math>x</math>four", "one two three four"),
        ("one[[File:a.jpg|thumb]]two", "one two"),
        ("one<!-- c -->two<includeonly>d</includeonly>three", "onetwothree"),
        ("a {{b}}, c{{d}}. e{{f}}", "a, c. e"),
    ],
)
def test_what_is_left_out_between_two_words_does_not_make_them_one(wikitext, want):
    """Kind of fault: a thing that readers see as a gap leaves nothing behind."""
    assert clean(wikitext) == want


@pytest.mark.parametrize(
    ("wikitext", "want"),
    [
        (
            '== Awards ==\n{| class=wikitable style="a:b"\n|-\n| 1987\n{{end}}\n\nThe band split.',
            "Awards\n\nThe band split.",
        ),
        ("a\n{| class=b\n| c\n{| style=d\n| e\n|}\n== F ==\ng", "a\n\nF\ng"),
        ("{{quote|a\n{| class=b\n| c\n}}\nd", "d"),
        ("{{x}}a\n|}\nb", "a\nb"),
        ("{| class=a", ""),
    ],
)
def test_a_table_that_is_never_closed_spoils_neither_side(wikitext, want):
    """Kind of fault: an opening mark that is never closed gives its line end back to nobody."""
    assert clean(wikitext) == want


@pytest.mark.parametrize(
    "text",
    [
        "If x<y it falls. It has a limit, and z>0 holds.",
        "When a<b, one.\n\nParagraph of prose.\n\nSo c>d holds.",
        "includes <stdio.h> and List<String>",
        "a < br /> b",
        "<blink>a</blink> <pref>b <b-c> <source-d>",
        "AT&T, R&D; &copy 2010, &notin a, &notit; b",
        "Calls of main() and f(x). A & b <> c",
        "!Kung is a language & a people.",
    ],
)
def test_a_sign_of_prose_is_no_markup(text):
    """Kind of fault: signs are taken for a tag or an entity that MediaWiki does not know."""
    assert clean(text) == text


@pytest.mark.parametrize(
    ("wikitext", "want"),
    [
        ("a<b>c</b>", "ac"),
        ("first</br>second<BR clear=all>third", "first second third"),
        ("see <http://a.b/c> or [irc://a.b c] and [tel:+1 d]", "see or c and d"),
        ("a __NOTOC__ b __ОГЛАВ__ c", "a b c"),
        ("__NOTOC__ __KEIN_INHALTSVERZEICHNIS__\nText", "Text"),
        ("of __FILE__ and __VA_ARGS__ and __init__", "of __FILE__ and __VA_ARGS__ and __init__"),
        ("hear [[Media:a.ogg|the song]]", "hear the song"),
        (
            "Read the [[voy:Paris|travel guide]] and [[hdl:10/20|this record]].",
            "Read the travel guide and this record.",
        ),
        ("[[Star Trek: Voyager]]\n[[be-x-old:Менск]]", "Star Trek: Voyager"),
        ("See [[zh-classical:漢字]]or [[Classical: A Life|the book]].", "See or the book."),
        ("a [[commons:File:Foo.jpg|picture]] here", "a picture here"),
        ("a[[\u200eCategory:Foo]]", "a"),
        ("{{{1|default}}} shows {{{2}}}", "default shows"),
        ("See http://a.b/c. Next (http://a.b/d_(e)) ends", "See. Next ends"),
        ("a <http://a.b> c <> d", "a c <> d"),
        ("a<includeonly>b", "a"),
    ],
)
def test_tags_links_and_words_of_markup_are_those_that_mediawiki_knows(wikitext, want):
    """Kind of fault: what looks like markup is treated by its looks."""
    assert clean(wikitext) == want


@pytest.mark.parametrize(
    ("wikitext", "want"),
    [
        ("'''!!!''' (chk) is a band.\n\nThey play.", "!!! (chk) is a band.\n\nThey play."),
        ("'''!Kung''' is a language.", "!Kung is a language."),
        ("[[!Kung people|!Kung]] live", "!Kung live"),
        ("&#124;x&#124; is a value.", "|x| is a value."),
        ("<div>|x|</div><code>!important</code> rule", "|x|\n!important rule"),
        ("the [[court\n|of appeal]] and more", "the court |of appeal and more"),
        ("{{table}}\n! Year !! Land\n|-\n| 1990 || a\n{{end}}\nafter", "after"),
    ],
)
def test_a_line_of_prose_is_no_row_of_a_table(wikitext, want):
    """Kind of fault: a line is dropped for its first sign, whatever made that sign."""
    assert clean(wikitext).strip() == want


def test_files_and_categories_are_told_by_the_names_of_their_wiki():
    """Kind of fault: the names that a dump gives are not read, and rules guess."""
    german = WikiSite.of([(6, "Datei"), (14, "Kategorie")])
    text = "Der Text endet.[[Kategorie:Vogel]] [[datei:a]][[:Kategorie:Vogel]] [[Bild:a.jpg|b]]"
    assert clean(text, german) == "Der Text endet. Kategorie:Vogel"
    french = WikiSite.of([(14, "Catégorie")])
    assert clean("Texte.[[Catégorie:Oiseau]]", french) == "Texte."
    assert clean("Texte.[[Cate\u0301gorie:Oiseau]]", french) == "Texte."


@given(st.text(st.characters(categories=["L", "Nd"]), max_size=30))
def test_words_without_markup_stay_as_they_are(text):
    assert clean(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        "{{",
        "[[",
        "[[a|",
        "<ref>",
        "<!-- ",
        "{|\n",
        "[http://",
        "<a ",
        "'''",
        "= ",
        "( ",
        "__a",
        ",",
    ],
)
def test_open_markup_costs_no_more_than_its_length(piece):
    hostile = piece * (1_000_000 // len(piece))
    start = time.process_time()
    clean(f"(x,) {hostile} x")
    assert time.process_time() - start < 5  # a quadratic pass over it takes hours


def tree_words(wikitext: str) -> Counter[str]:
    """The words of an article by mwparserfromhell's tree, without what readers see apart."""
    tree = mwparserfromhell.parse(wikitext, skip_style_tags=True)
    for link in tree.filter_wikilinks(recursive=True):
        if re.match(r"(file|image|category):", str(link.title).strip(), re.IGNORECASE):
            try:
                tree.remove(link)
            except ValueError:  # it was inside one that is gone
                continue
    apart = ("table", "gallery", "math", "ref")
    for tag in tree.filter_tags(matches=lambda node: node.tag in apart):
        try:
            tree.remove(tag)
        except ValueError:
            continue
    return Counter(re.findall(r"[^\W_]+", tree.strip_code()))


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("count", [8, pytest.param(30, marks=pytest.mark.soak)])
def test_has_the_words_of_a_full_parser_on_real_articles(devise_data, count):
    dump = devise_data / "wiki" / "enwiki-shortened.xml.bz2"
    pages = read_pages(plan_ranges(str(dump), None, 1)[0])
    articles = [page.text for page in pages if page.redirect is None][:count]
    ours: Counter[str] = sum(
        (Counter(re.findall(r"[^\W_]+", clean(t))) for t in articles), Counter()
    )
    theirs: Counter[str] = sum((tree_words(text) for text in articles), Counter())
    assert (ours - theirs).total() < 0.002 * theirs.total()
    assert (theirs - ours).total() < 0.002 * theirs.total()


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "title", "before", "after"),
    [
        (
            "enwiki-shortened",
            "Albedo",
            "or '''reflection coefficient''', derived from [[Latin]] ''albedo''",
            'Albedo or reflection coefficient, derived from Latin albedo "whiteness"',
        ),
        (
            "enwiki-shortened",
            "Autism",
            "impaired [[Interpersonal relationship|social interaction]]",
            "Autism is a neurodevelopmental disorder characterized by impaired social interaction,",
        ),
        (
            "enwiki-minidump",
            "Arthur Schopenhauer",
            "22 February 1788&nbsp;– 21 Sep",  # noqa: RUF001 - the page has this dash
            "Arthur Schopenhauer (22 February 1788 – 21 September 1860) was a German",  # noqa: RUF001
        ),
    ],
)
def test_real_pages_read_as_their_readers_see_them(devise_data, name, title, before, after):
    dump = devise_data / "wiki" / f"{name}.xml.bz2"
    [page] = [p for p in read_pages(plan_ranges(str(dump), None, 1)[0]) if p.title == title]
    assert before in page.text
    assert after in clean(page.text)


@pytest.mark.data
@pytest.mark.parametrize("name", ["enwiki-shortened", "enwiki-minidump"])
def test_no_real_article_keeps_the_marks_that_wikicorpus_leaves(devise_data, name):
    dump = devise_data / "wiki" / f"{name}.xml.bz2"
    pages = [p for p in read_pages(plan_ranges(str(dump), None, 1)[0]) if p.redirect is None]
    marks = ("[[", "{{", "<ref", "|thumb", "==")
    left = {page.title: [m for m in marks if m in clean(page.text)] for page in pages}
    assert len(left) > 20
    assert {title: found for title, found in left.items() if found} == {}


@pytest.mark.data
@pytest.mark.parametrize("name", ["enwiki-shortened", "enwiki-minidump", "ltgwiki-pages-articles"])
def test_leaves_next_to_no_markup_in_real_articles(devise_data, name):
    dump = devise_data / "wiki" / f"{name}.xml.bz2"
    pages = read_pages(plan_ranges(str(dump), None, 1)[0])
    text = "\n".join(clean(p.text) for p in pages if p.namespace == 0 and p.redirect is None)
    left = re.findall(r"\{\{|\[\[|''|^==|</?[a-z]+>|\|thumb|&[a-z]+;", text, re.MULTILINE)
    assert len(left) <= 5
    assert len(bz2.compress(text.encode())) > 100_000  # and the text is there
