import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.text.wikipedia.wikitext_quotes import without_quotes

pieces = st.sampled_from(["''", "'''", "'", "''''", "'''''", "'''''''", "l", "word", " ", "é"])
lines = st.lists(pieces, max_size=15).map("".join)


def kept_apostrophes(line: str) -> int:
    """How many apostrophes of a line are text, by MediaWiki's rules of which runs mean what."""
    runs = [len(run) for run in re.findall("'{2,}", line)]
    meant = [3 if run == 4 else min(run, 5) for run in runs]
    italic = sum(run in (2, 5) for run in meant)
    bold = sum(run in (3, 5) for run in meant)
    unbalanced = italic % 2 and bold % 2 and 3 in meant
    return line.count("'") - sum(meant) + bool(unbalanced)


@given(st.lists(lines, max_size=4).map("\n".join))
def test_drops_the_apostrophes_of_markup_and_nothing_else(text):
    plain = without_quotes(text)
    assert plain.replace("'", "") == text.replace("'", "")
    for before, after in zip(text.split("\n"), plain.split("\n"), strict=True):
        assert after.count("'") == kept_apostrophes(before)


@pytest.mark.parametrize(
    ("line", "want"),
    [
        ("''a'' '''b''' '''''c'''''", "a b c"),
        ("l''''a'''", "l'a"),  # four: an apostrophe, then bold
        ("'''''''a'''''", "''a"),  # seven: two apostrophes, then both
        # Of several runs of three the one behind a single letter, a longer word, a blank.
        ("''un'''e '''b l'''c", "une b l'c"),
        ("''un '''e de'''b ''' l", "un e de'b  l"),
        ("'' '''e ''' b '''", " 'e  b "),
        ("'''a l'''b''c''' ''d''", "a l'bc d"),
        ("'''''a", "a"),
    ],
)
def test_an_apostrophe_stays_where_mediawiki_puts_it(line, want):
    assert without_quotes(line) == want
