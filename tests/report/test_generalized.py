from dataclasses import replace

import pytest

from devise_lib.numerics.generalized import harmonic_mean
from devise_lib.report.content import Measurement
from devise_lib.report.generalized import (
    ALONE,
    CURVE_SEEN,
    CURVE_UNSEEN,
    TOGETHER,
    GeneralizedRow,
    generalized_tables,
    stacking_curves,
)
from devise_lib.report.page import render
from devise_lib.report.published import GENERALIZED
from tests.report.pages import Page, full


def of(photo_set: str, method: str, scale: float = 1.0) -> list[Measurement]:
    return [
        Measurement(method, f"{photo_set} unseen", ALONE, "per_class_top1", 1, 0.6 * scale),
        Measurement(method, f"{photo_set} unseen", TOGETHER, "per_class_top1", 1, 0.2 * scale),
        Measurement(method, f"{photo_set} seen", TOGETHER, "per_class_top1", 1, 0.3 * scale),
        Measurement(method, photo_set, TOGETHER, "harmonic_mean", 1, 0.24 * scale),
        Measurement(method, photo_set, TOGETHER, "ausuc", None, 0.15 * scale),
        Measurement(method, f"{photo_set} seen", "seen_only", "per_class_top1", 1, 0.9),
    ]


def curve(photo_set: str, method: str, points: list[tuple[float, float]]) -> list[Measurement]:
    return [
        Measurement(method, photo_set, TOGETHER, metric, number, value)
        for number, point in reversed(list(enumerate(points)))
        for metric, value in zip((CURVE_UNSEEN, CURVE_SEEN), point, strict=True)
    ]


def test_a_set_of_both_kinds_has_a_row_a_method_in_the_order_of_the_others():
    metrics = [
        *of("cats", "ridge", 0.5),
        *of("cats", "devise"),
        Measurement("devise+calibrated", "cats", TOGETHER, "harmonic_mean", 1, 0.4),
        Measurement("devise", "dogs unseen", ALONE, "per_class_top1", 1, 0.6),
    ]
    [table] = generalized_tables(metrics)
    assert (table.photo_set, table.note) == ("cats", "")
    assert table.rows == [
        GeneralizedRow("DeViSE", "", 0.6, 0.2, 0.3, 0.24, 0.15),
        GeneralizedRow("DeViSE, calibrated", "", None, None, None, 0.4, None),
        GeneralizedRow("Ridge regression", "", 0.3, 0.1, 0.15, 0.12, 0.075),
    ]


def test_published_rows_stand_below_ours_for_photos_of_that_name():
    [table] = generalized_tables(of("awa2", "devise"))
    assert [row.name for row in table.rows] == ["DeViSE", "DeViSE", "ESZSL", "SAE", "ConSE"]
    assert [bool(row.source) for row in table.rows] == [False, True, True, True, True]
    values = (0.597, 0.171, 0.747, 0.278, None)
    assert table.rows[1] == GeneralizedRow("DeViSE", "Xian et al.", *values)
    assert "attributes" in table.note


@pytest.mark.parametrize("name", GENERALIZED)
def test_published_means_are_the_harmonic_ones(name):
    for method, (_, unseen, seen, mean) in GENERALIZED[name].rows:
        assert mean == pytest.approx(harmonic_mean(seen, unseen), abs=0.06), method


def test_curves_go_from_no_penalty_on():
    points = [(0.0, 0.9), (0.3, 0.5), (0.4, 0.0)]
    metrics = [*curve("dogs", "devise", points), *curve("cats", "ridge", points[:2])]
    found = stacking_curves(metrics)
    assert found == {"cats": {"ridge": points[:2]}, "dogs": {"devise": points}}
    assert list(found) == ["cats", "dogs"]


def test_the_page_shows_the_tables_and_the_curves():
    content = full()
    metrics = [*of("awa2", "devise"), *curve("awa2", "devise", [(0.0, 0.9), (0.3, 0.5)])]
    hit = Measurement("devise", "awa2 unseen", ALONE, "hit", 1, 0.6)
    text = Page(render(replace(content, metrics=[hit, *metrics]))).sections["figures"]
    for part in ("Seen and unseen labels together", "Xian et al.", "0.150", "27.8"):
        assert part in text
    assert "together" not in Page(render(content)).sections["figures"]
