import pytest

from devise_lib.spark.labels.lookup import dedupe_labels, resolve_aliases
from devise_lib.spark.tables.schemas import LABELS

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def labels(spark):
    rows = [  # label, set, terms, term, coverage, seen, aliases, vector
        ("jaguar", "b", ["jaguar"], "jaguar", "exact", True, ["n01"], [1.0, 0.0]),
        ("jaguar", "a", ["jaguar"], None, "missing", False, [], None),
        ("n01", "a", ["big cat", "cat"], "cat", "synonym", True, None, [0.0, 1.0]),
        ("xyzzy", "a", ["xyzzy plugh"], None, "missing", True, ["plugh"], None),
    ]
    return spark.createDataFrame([(*row, row[-1], "words") for row in rows], LABELS)


def test_a_label_of_two_sets_comes_once_with_its_vector_and_unseen_where_any_set_says_so(labels):
    rows = {row["label"]: row for row in dedupe_labels(labels).collect()}
    assert sorted(rows) == ["jaguar", "n01", "xyzzy"]
    assert (rows["jaguar"]["label_set"], rows["jaguar"]["vector"]) == ("b", [1.0, 0.0])
    assert not rows["jaguar"]["seen"]


def test_labels_are_found_by_id_and_alias_and_an_id_wins_over_an_alias(labels):
    rows = {
        row["name"]: (row["label"], row["term"], row["seen"])
        for row in resolve_aliases(labels).collect()
    }
    assert rows == {
        "jaguar": ("jaguar", "jaguar", False),
        "n01": ("n01", "cat", False),  # not the jaguar, whose alias it is, too: but unseen as that
        "xyzzy": ("xyzzy", "xyzzy plugh", True),
        "plugh": ("xyzzy", "xyzzy plugh", True),
    }
