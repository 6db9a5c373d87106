from devise_lib.report.content import Measurement
from devise_lib.report.figures import compare_methods, coverages, headline, hit_tables, of_words


def hit(method, k, value, photo_set="a unseen", candidates="unseen_only"):
    return Measurement(method, photo_set, candidates, "hit", k, value)


ROWS = [
    hit("chance", 1, 0.1),
    hit("devise", 1, 0.4),
    hit("devise", 5, 0.8),
    hit("ridge", 5, 0.9),
    hit("random_embeddings", 1, 0.2),
    hit("devise", 1, 0.7, "a seen", "unseen_and_seen"),
    hit("devise", 1, 0.3, "a unseen", "unseen_and_seen"),
    Measurement("devise", "a unseen", "unseen_only", "photos", None, 225.0),
]


def test_tables_of_unseen_labels_come_first_and_those_among_unseen_alone_before_all():
    places = [(table.photo_set, table.candidate_set) for table in hit_tables(ROWS)]
    assert places == [
        ("a unseen", "unseen_only"),
        ("a unseen", "unseen_and_seen"),
        ("a seen", "unseen_and_seen"),
    ]


def test_a_table_has_its_methods_in_order_and_gaps_where_nothing_was_measured():
    table = hit_tables(ROWS)[0]
    assert list(table.ks) == [1, 5]
    assert [row.method for row in table.rows] == ["devise", "ridge", "random_embeddings", "chance"]
    assert list(table.rows[1].values) == [None, 0.9]
    assert list(table.best) == [0.4, 0.9]
    assert table.photos == 225


def test_a_method_that_is_not_known_is_shown_last():
    tables = hit_tables([*ROWS, hit("new_method", 1, 0.5)])
    assert [row.name for row in tables[0].rows][-1] == "new method"


SHORT = [
    *(hit(method, 1, 0.5) for method in ("devise", "devise+csls", "conse", "softmax", "chance")),
    hit("ridge", 1, 0.3),
    hit("eszsl", 1, 0.6),
    hit("ridge+csls", 1, 0.9),
    hit("random_embeddings", 1, 0.2),
    hit("new_method", 1, 0.9),
    hit("devise", 5, 0.8),
    hit("devise+calibrated", 1, 0.4, candidates="unseen_and_seen"),
    hit("ridge", 1, 0.7, candidates="unseen_and_seen"),
    hit("devise", 1, 0.1, candidates="2_hops"),
    hit("devise", 1, 0.7, "a seen", "seen_only"),
    hit("devise", 1, 0.6, "a seen", "unseen_and_seen"),
    hit("devise", 1, 0.7, "b seen", "seen_only"),
]


def test_the_comparison_has_the_model_the_best_closed_form_and_the_baselines():
    found = compare_methods(hit_tables(SHORT))
    assert found is not None
    assert [row.name for row in found.rows] == [
        "DeViSE",
        "DeViSE with CSLS",
        "DeViSE, calibrated",
        "Best closed form: ESZSL",
        "ConSE",
        "Softmax",
        "Random embeddings",
        "Chance",
    ]
    assert all(row.about for row in found.rows)
    assert [table.photo_set for table in found.columns] == ["a unseen"] * 2 + ["a seen"] * 2
    assert found.rows[0].values == [0.5, None, 0.7, 0.6]
    assert found.rows[3].values == [0.6, None, None, None]
    assert found.best == [0.6, 0.4, 0.7, 0.6]
    assert len(found.notes) == 3


def test_the_comparison_is_of_the_first_source_of_photos_alone_and_says_only_what_it_shows():
    found = compare_methods(hit_tables([hit("devise", 1, 0.7, "b seen", "2_hops")]))
    assert found is not None
    assert [table.candidate_set for table in found.columns] == ["2_hops"]
    assert found.notes == []
    assert compare_methods([]) is None
    assert compare_methods(hit_tables([hit("new_method", 1, 0.9)])) is None


def test_the_headline_is_the_smallest_k_on_unseen_labels_beside_its_controls():
    found = headline(hit_tables(ROWS))
    assert found is not None
    assert (found.k, found.value, found.times_chance, found.times_random) == (1, 0.4, 4.0, 2.0)
    assert found.names == 10  # of which chance finds the right one in a tenth of the cases
    assert found.among_all == 0.3  # the same photos, with the seen labels to choose from as well


def test_there_is_no_headline_without_unseen_labels_and_no_ratio_to_nothing():
    assert headline(hit_tables(ROWS[5:6])) is None
    alone = headline(hit_tables([hit("devise", 1, 0.4), hit("chance", 1, 0.0)]))
    assert alone is not None
    assert (alone.times_chance, alone.times_random, alone.names) == (None, None, None)


def test_coverage_has_every_kind_of_every_label_set():
    rows = [Measurement("labels", "s", "exact", "coverage", None, 0.75)]
    [found] = coverages([*ROWS, *rows])
    assert found.label_set == "s"
    assert found.shares == [("exact", 0.75), ("synonym", 0), ("averaged", 0), ("missing", 0)]


def test_coverage_of_attributes_stands_behind_that_of_words():
    rows = [Measurement("labels", "s", "attributes", "coverage", None, 1.0)]
    [found] = coverages(rows)
    assert found.shares[-1] == ("attributes", 1.0)
    assert sum(share for _, share in found.shares) == 1.0


def test_figures_of_words_are_sorted_by_their_test():
    rows = [Measurement("word2vec", name, "", "spearman", None, 0.5) for name in "ba"]
    assert [row.photo_set for row in of_words([*rows, *ROWS], "spearman")] == ["a", "b"]
