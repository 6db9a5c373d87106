import xml.etree.ElementTree as ET

import pytest

from devise_lib.report.content import Measurement
from devise_lib.report.curves import draw_hits, draw_losses, draw_scores, draw_stacking
from devise_lib.report.figures import hit_tables, unseen_tables


def texts(svg: bytes) -> list[str]:
    return ["".join(e.itertext()) for e in ET.fromstring(svg).iter() if e.tag.endswith("text")]


def hit(method, k, value, photo_set="a unseen", candidates="unseen_only"):
    return Measurement(method, photo_set, candidates, "hit", k, value)


HITS = [
    hit(method, k, k / 10 * share, candidates=candidates)
    for method, share in (("devise", 1.0), ("chance", 0.1), ("sae", 0.5), ("devise+csls", 0.9))
    for k in (1, 5)
    for candidates in ("unseen_only", "unseen_and_seen", "another")
]


def test_every_training_has_a_line_with_its_name_and_the_same_losses_the_same_picture():
    curves = {"devise-0": [0.5, 0.25, 0.2], "random_embeddings-0": [0.5, 0.4, 0.3]}
    svg = draw_losses(curves)
    assert {"devise-0", "random embeddings-0", "epoch", "mean loss"} <= set(texts(svg))
    assert svg == draw_losses(curves)
    assert svg != draw_losses({**curves, "devise-0": [0.5, 0.25, 0.3]})


def test_more_trainings_than_colours_are_all_drawn():
    names = [f"devise-{seed}" for seed in range(11)]
    assert set(names) <= set(texts(draw_losses({name: [0.5, 0.4] for name in names})))


def test_epochs_are_whole_numbers():
    ticks = [t for t in texts(draw_losses({"a": [0.5, 0.4, 0.1]})) if t[0].isdigit()]
    assert {"1", "2", "3"} <= set(ticks)
    assert "1.5" not in ticks


def test_the_scores_tell_which_epoch_was_chosen():
    found = texts(draw_scores([0.1, 0.3, 0.2], [0.2, 0.4, 0.4], 1))
    assert {"chosen: 1", "harmonic mean", "among the labels held out"} <= set(found)


def test_hits_have_a_panel_a_table_with_the_main_methods_beside_chance():
    tables = unseen_tables(hit_tables(HITS))
    assert [t.candidate_set for t in tables] == ["unseen_only", "unseen_and_seen"]
    found = texts(draw_hits(tables))
    assert found.count("DeViSE") == found.count("Chance") == 1, "one legend for both"
    assert found.count("k") == 2
    assert "SAE" not in found
    assert not any("CSLS" in text for text in found)


def test_a_method_that_was_not_measured_at_a_k_has_a_shorter_line():
    rows = [hit("devise", k, 0.5) for k in (1, 5)] + [hit("ridge", 5, 0.4)]
    assert "Ridge regression" in texts(draw_hits(unseen_tables(hit_tables(rows))))


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [hit("devise", 1, 0.5)],
        [hit("devise", k, 0.5, "a seen", "seen_only") for k in (1, 5)],
    ],
)
def test_there_is_no_curve_without_unseen_labels_or_with_a_single_k(rows):
    assert unseen_tables(hit_tables(rows)) == []


def test_of_several_sets_of_unseen_photos_the_first_is_drawn():
    others = [hit("devise", k, 0.5, "b unseen") for k in (1, 5)]
    assert {t.photo_set for t in unseen_tables(hit_tables([*others, *HITS]))} == {"a unseen"}


def test_stacking_has_a_panel_a_set_of_photos_with_the_main_methods():
    curve = [(0.0, 0.9), (0.4, 0.6), (0.5, 0.0)]
    curves = {name: {"devise": curve, "sae": curve, "ridge": curve} for name in ("cats", "dogs")}
    svg = draw_stacking(curves)
    found = texts(svg)
    assert {"cats", "dogs", "top-1 of seen labels"} <= set(found)
    assert found.count("DeViSE") == found.count("Ridge regression") == 1, "one legend for both"
    assert "SAE" not in found
    assert svg != draw_stacking({**curves, "dogs": {"devise": curve[:2]}})
