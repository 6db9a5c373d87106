"""Drawn wikitext: it never makes the cleaner fail or slow, and prose beside it is never lost."""

import contextlib
import re

import mwparserfromhell
from hypothesis import example
from hypothesis import strategies as st

from devise_lib.text.wikipedia.page_kinds import is_disambiguation, redirect_target
from devise_lib.text.wikipedia.wikitext import clean
from devise_lib.text.wikipedia.wikitext_marks import ASIDE, EDGE, GAP, STAND_INS
from tests.fuzz.conftest import limits

WORDS = ["heron", "marsh", "l", "über", "река", "鷺", "1987", "d'un", "x<y", "AT&T", "a-b", "Mr."]
MARKS = [
    *("{{", "}}", "[[", "]]", "{|", "|}", "\n{|", "\n|}", "|", "||", "\n|-\n", "\n", "\n\n", " "),
    *("''", "'''", "''''", "'''''", "'", "==", "\n== ", "* ", "# ", ": ", "; ", "----", "~~~~"),
    *("<ref>", "</ref>", '<ref name="a b" />', "<ref", "<!--", "-->", "<nowiki>", "</nowiki>"),
    *("<nowiki/>", "<pre>", "</pre>", "<br>", "</br>", "<b", ">", "</b>", "<math>", "</math>"),
    *("<includeonly>", "</includeonly>", "<gallery>", "</gallery>", "<p>", "</div>", "<y it", "<"),
    *("File:a.jpg", "Category:", "de:", ":", "[http://a.b ", "[//a ", "]", "http://a.b/c", "//"),
    *("&amp;", "&lt;", "&#91;", "&#x27;", "&#0;", "&#99999999;", "&", ";", "__TOC__", "__", "_"),
    *("-{", "}-", "-{zh:a;", "(", ")", ",", "{{{", "}}}", "{", "}", "{{'}}", "{{x}}", "#REDIRECT"),
    *("\x00", "\x01", "\x02", "\x16", "\u200b", "\u2028", "\ud800"),
]
tangled = st.lists(st.sampled_from(WORDS + MARKS) | st.text(max_size=3), max_size=60).map("".join)

# None of their words is markup, and what begins a line in some of them begins a row of a table in
# others.
STARTS = ["Prose", "!Kung", "!!!", "\u00a1!"]
sentences = st.builds(
    "{} {}".format,
    st.sampled_from(STARTS),
    st.lists(
        st.sampled_from(["heron", "über", "река", "d'un", "x<y", "AT&T", "1987"]),
        min_size=1,
        max_size=6,
    ).map(" ".join),
)
# Marks that are opened and never closed. MediaWiki lets a comment hide the rest of a page.
OPENING = [mark for mark in MARKS if not re.search(r"<!--|-->|includeonly|[})\]]|</|>$", mark)]
openings = st.lists(st.sampled_from(WORDS + OPENING), max_size=12).map("".join)


OWN_SIGNS = frozenset(STAND_INS + EDGE + GAP + ASIDE)


def assert_cleaned(wikitext: str) -> None:
    text = clean(wikitext)
    assert "\n\n\n" not in text
    assert OWN_SIGNS.isdisjoint(text) or not OWN_SIGNS.isdisjoint(wikitext)


def test_any_wikitext_is_cleaned(fuzz):
    fuzz(assert_cleaned, tangled, examples=150)


some_marks = st.lists(st.sampled_from(WORDS + MARKS), max_size=3).map("".join)
repeated = st.lists(st.sampled_from(WORDS + MARKS), min_size=1, max_size=3).map("".join)


@example(("(x,) ", ",", " x"))
@example(("#AB [[X]] ", "_", "!"))
@example(("#redirect", " ", "x"))
def assert_work_grows_with_the_length(parts: tuple[str, str, str]) -> None:
    before, piece, after = parts
    page = before + piece * (40_000 // len(piece)) + after  # squares of it take seconds
    with limits(cpu_seconds=1, mebibytes=50):
        clean(page)
        redirect_target(page)
        is_disambiguation(page, page[:200])


def test_a_mark_that_is_repeated_costs_no_more_than_its_length(fuzz):
    fuzz(assert_work_grows_with_the_length, st.tuples(some_marks, repeated, some_marks))


@example([("Prose heron", "(;"), ("Prose marsh", "")])
def assert_prose_is_kept(blocks: list[tuple[str, str]]) -> None:
    if any("{|" in markup for _, markup in blocks):  # there "!" begins a cell
        blocks = [(prose.replace("!", "a"), markup) for prose, markup in blocks]
    page = "\n\n".join(f"{prose}\n\n{markup}" for prose, markup in blocks)
    lines = clean(page).split("\n")
    for prose, _ in blocks:
        assert prose in lines


def test_a_paragraph_without_markup_is_never_lost_behind_marks_that_are_left_open(fuzz):
    fuzz(assert_prose_is_kept, st.lists(st.tuples(sentences, openings), min_size=1, max_size=4))


# Documents of which a full parser claims to know the words as well: each mark is closed, and none
# stands where MediaWiki does not allow it.
def joined(pieces: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(pieces, min_size=1, max_size=4).map(" ".join)


words = st.sampled_from(["heron", "marsh", "über", "река", "1987", "crane"])
styled = st.builds("{0}{1}{0}".format, st.sampled_from(["", "''", "'''"]), joined(words))
linked = joined(
    st.one_of(
        styled,
        words.map("[[{}]]".format),
        st.builds("[[{}|{}]]".format, words, styled),
        styled.map("[http://a.b/c {}]".format),
    )
)
templates = st.recursive(
    st.builds("{{{{{}|{}}}}}".format, words, linked),
    lambda inner: st.builds("{{{{{}|a={} {}}}}}".format, words, linked, inner),
    max_leaves=4,
)
shown_apart = st.one_of(
    templates,
    st.sampled_from(["<!-- {} -->", "<ref name=a>{}</ref>", "<math>{}</math>"]).flatmap(
        lambda around: linked.map(around.format)
    ),
)
lines = joined(st.one_of(linked, linked.map("<small>{}</small>".format), shown_apart))
blocks = st.sampled_from(
    ["{}", "== {} ==", "* a {}\n** b", "{{| class=x\n|-\n| {}\n|}}", "<div>{}</div>", ": {}"]
).flatmap(lambda around: lines.map(around.format))
documents = st.lists(blocks, max_size=5).map("\n\n".join)


def tree_words(wikitext: str) -> list[str]:
    """The words that mwparserfromhell's tree shows, without tables, references and formulas."""
    tree = mwparserfromhell.parse(wikitext)
    for tag in tree.filter_tags(matches=lambda node: node.tag in ("table", "math", "ref")):
        with contextlib.suppress(ValueError):  # it was inside one that is gone
            tree.remove(tag)
    return re.findall(r"[^\W_]+", tree.strip_code())


def assert_words_of_a_full_parser(wikitext: str) -> None:
    assert re.findall(r"[^\W_]+", clean(wikitext)) == tree_words(wikitext)


def test_has_the_words_of_a_full_parser_in_their_order(fuzz):
    fuzz(assert_words_of_a_full_parser, documents, examples=25)
