from dataclasses import replace

import pytest

from devise_lib.report.content import Measurement
from devise_lib.report.page import render
from devise_lib.report.papers import SETS, paper_tables
from devise_lib.report.published import HITS, KS, PRECISIONS
from tests.report.pages import Page, full


def measured(method, metric, k, value, candidates="2_hops", photos="sample unseen"):
    return Measurement(method, photos, candidates, metric, k, value)


METRICS = [
    measured("chance", "photos", None, 120.0),
    measured("chance", "candidates", None, 2548.0),
    measured("chance", "hit", 1, 1 / 2548),
    measured("devise", "hit", 1, 0.01),
    measured("devise", "hit", 1, 0.03),
    measured("devise", "hit", 5, 0.2),
    measured("devise+calibrated", "hit", 1, 0.05),
    measured("ridge+calibrated", "hit", 1, 0.04),
    measured("conse", "hierarchical_precision", 2, 0.25),
    measured("chance", "correct_set_size", 2, 12.4),
    measured("devise", "hit", 1, 0.9, "unseen_only"),
]


def test_our_rows_come_first_then_those_of_the_papers_for_the_same_candidates():
    hits, precisions = paper_tables(METRICS)
    assert hits.title.startswith("Flat hit@k, %: sample unseen, labels within 2 hops")
    ours = [row for row in hits.rows if not row.source]
    assert [row.name for row in ours] == ["DeViSE", "DeViSE, calibrated", "Chance"]
    assert ours[0].values == [pytest.approx(2.0), None, pytest.approx(20.0), None, None]
    assert {row.labels for row in ours} == {2548}
    theirs = [(row.name, row.source, row.labels, row.values) for row in hits.rows if row.source]
    assert theirs == [
        ("DeViSE", "DeViSE+1K", 2589, (0.8, 2.7, 7.9, 14.2, 22.7)),
        ("ConSE", "ConSE(10)+1K", 2589, (0.3, 6.2, 17.0, 24.9, 33.5)),
    ]
    assert [row.name for row in precisions.rows] == ["ConSE", "DeViSE", "ConSE", "Softmax"]


def test_the_note_tells_what_keeps_the_figures_apart():
    hits, precisions = paper_tables(METRICS)
    assert hits.note == "120 photos here; the papers' are ImageNet's."
    assert precisions.note.endswith("Mean size of the correct sets: 12.4 at 2.")
    seen = [m for m in METRICS if m.candidate_set == "2_hops"]
    seen = [measured(m.method, m.metric, m.k, m.value, "2_hops", "sample seen") for m in seen]
    assert "the figures are not comparable" in paper_tables(seen)[0].note


def test_without_candidates_of_the_papers_there_is_no_table():
    assert paper_tables([m for m in METRICS if m.candidate_set == "unseen_only"]) == []


def test_published_rows_are_of_known_sets_and_rise_with_k():
    for row in (*HITS, *PRECISIONS):
        assert row.candidate_set in SETS
        assert len(row.values) == len(KS)
    for row in HITS:
        values = [value for value in row.values if value is not None]
        assert values == sorted(values), row
    chance = next(row for row in HITS if row.method == "chance")
    assert chance.values[:4] == tuple(100 * k / 1000 for k in KS[:4])


def test_hierarchical_precision_at_1_is_the_hit_at_1():
    hits = {(r.candidate_set, r.method, r.note): r.values[0] for r in HITS}
    for row in PRECISIONS:
        hit = hits.get((row.candidate_set, row.method, row.note))
        if hit is not None and row.values[0] is not None:
            assert row.values[0] == pytest.approx(hit / 100, abs=6e-4), row


def test_the_page_shows_them():
    content = full()
    page = Page(render(replace(content, metrics=METRICS)))
    text = page.sections["figures"]
    for part in ("As in the papers", "DeViSE+1K", "2,589", "2.0", "22.7", "0.250"):
        assert part in text
    assert "As in the papers" not in Page(render(content)).sections["figures"]
