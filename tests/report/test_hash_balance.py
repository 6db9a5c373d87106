import xml.etree.ElementTree as ET

import numpy as np
import pytest

from devise_lib.report.hash_balance import (
    MAX_TABLES,
    draw_balance,
    fullest,
    uneven_bits,
)
from tests.report.pages import make_spread

SVG = "{http://www.w3.org/2000/svg}"


def points(svg: bytes) -> list[tuple[float, float]]:
    """Where the points are. Ticks are not inside a clip path, as points are."""
    groups = [g for g in ET.fromstring(svg).iter(f"{SVG}g") if g.get("clip-path")]
    uses = [use for group in groups for use in group.iter(f"{SVG}use")]
    return [(float(use.get("x", "nan")), float(use.get("y", "nan"))) for use in uses]


def texts(svg: bytes) -> list[str]:
    return ["".join(e.itertext()) for e in ET.fromstring(svg).iter(f"{SVG}text")]


def test_there_is_a_point_for_each_bit_of_each_table():
    balance = np.random.default_rng(0).random((3, 7))
    svg = draw_balance(make_spread(balance))
    found = points(svg)
    assert len(found) == len(set(found)) == 21
    # From left to right: the bits, and of each bit the tables. SVG counts y from the top.
    heights = [-y for _, y in sorted(found)]
    np.testing.assert_allclose(np.corrcoef(heights, balance.T.ravel())[0, 1], 1.0, atol=1e-4)
    assert svg == draw_balance(make_spread(balance))


@pytest.mark.parametrize(
    ("balance", "uneven"),
    [([[0.5, 0.1, 0.89]], 0), ([[0.0, 1.0], [0.09, 0.5]], 3), ([[0.0]], 1)],
)
def test_bits_that_are_the_same_for_nearly_all_photos_look_different(balance, uneven):
    spread = make_spread(balance)
    assert uneven_bits(spread) == uneven
    svg = draw_balance(spread)
    assert len(points(svg)) == np.size(balance)  # 0 and 1 are inside the frame
    assert {"0%", "10%", "50%", "90%", "100%", "bit of the code"} <= set(texts(svg))


@pytest.mark.parametrize(
    ("tables", "bits", "shown"),
    [(1, 1, 1), (12, 24, 12), (17, 24, MAX_TABLES), (16, 37, MAX_TABLES), (1_000, 62, 9)],
)
def test_the_plot_stays_below_40_kb(tables, bits, shown):
    spread = make_spread(np.random.default_rng(0).random((tables, bits)))
    svg = draw_balance(spread)
    assert len(svg) < 40_000
    assert len(points(svg)) == shown * bits


def test_the_tables_to_list_are_those_with_the_most_candidates_in_their_order():
    spread = make_spread([[0.5]] * 40)
    assert [table.number for table in fullest(spread.tables)] == list(range(40 - MAX_TABLES, 40))
    few = make_spread([[0.5]] * 3).tables
    assert fullest(few[::-1]) == few
