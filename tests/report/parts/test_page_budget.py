from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from devise_lib.report.parts.page_budget import ALLOWANCES, fit_page


@given(
    st.lists(st.integers(1, 100), min_size=len(ALLOWANCES), max_size=len(ALLOWANCES)),
    st.integers(0, 110),
)
def test_the_richest_allowance_that_fits_is_taken_and_the_poorest_if_none_does(sizes, limit):
    falling = sorted(sizes, reverse=True)
    pages = {
        allowance: "x" * (size - 1) + chr(97 + place)
        for place, (allowance, size) in enumerate(zip(ALLOWANCES, falling, strict=True))
    }
    fitting = [page for page in pages.values() if len(page) <= limit]
    assert fit_page(pages.__getitem__, limit) == (fitting or [pages[ALLOWANCES[-1]]])[0]


def test_bytes_are_counted_and_not_letters():
    tried = []

    def make(allowance):
        tried.append(allowance)
        return "\N{SNOWMAN}" * (4 if allowance == ALLOWANCES[0] else 3)

    assert fit_page(make, 9) == "\N{SNOWMAN}" * 3
    assert len(tried) > 1


def test_each_allowance_is_poorer_than_the_one_before():
    for richer, poorer in pairwise(ALLOWANCES):
        sizes = [(a.picture_side, a.tile_side, a.quality, a.words) for a in (richer, poorer)]
        assert all(less <= more for more, less in zip(*sizes, strict=True))
        assert richer != poorer
