import xml.etree.ElementTree as ET

import pytest

from devise_lib.report.plots import draw_recall


def texts(svg: bytes) -> list[str]:
    return ["".join(e.itertext()) for e in ET.fromstring(svg).iter() if e.tag.endswith("text")]


CURVE = [(4_000.0, 0.6), (900.0, 0.96), (500.0, 0.7), (100.0, 1.0)]


@pytest.mark.parametrize("target", [0.95, 0.0])
def test_the_recall_plot_marks_the_chosen_settings_and_what_was_wanted(target):
    svg = draw_recall(CURVE, (1_234.0, 0.957), target, 10)
    found = texts(svg)
    assert "chosen: 95.7%, 1,234 queries/s" in found
    assert ("wanted: 95%" in found) == bool(target)
    assert {"queries per second", "recall@10"} <= set(found)
    assert svg == draw_recall(CURVE, (1_234.0, 0.957), target, 10)


def test_the_recall_plot_draws_a_single_point():
    assert "chosen: 100.0%, 7 queries/s" in texts(draw_recall([(7.0, 1.0)], (7.0, 1.0), 0.0, 1))


@pytest.mark.parametrize("fastest", [2_100.0, 9_000.0, 90_000.0])
def test_speeds_below_the_recall_plot_are_plain_numbers(fastest):
    found = texts(draw_recall([(1_900.0, 1.0)], (fastest, 0.9), 0.0, 1))
    numbers = [text for text in found if text.replace(",", "").isdigit()]
    assert numbers
    assert not any("$" in text for text in found)
