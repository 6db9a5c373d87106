import numpy as np
import pytest

from devise_lib.config.types import Candidates
from devise_lib.errors import InputError
from devise_lib.spark.evaluate.candidate_sets import read_choices
from devise_lib.spark.tables.schemas import LABELS
from tests.spark.evaluate.zero_shot_world import CONTROLS, KNOWN, SEEN, UNSEEN, label_row

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def labels(spark):
    rows = [label_row(name, name in SEEN) for name in reversed(SEEN + UNSEEN)]
    rows += [label_row("cat", True, "other"), label_row("bee", False, "other")]
    rows += [label_row("ant", True, "without", vector=False)]
    return spark.createDataFrame(rows, LABELS)


def named(found, columns):
    return [found.labels.labels[column] for column in columns]


def test_a_label_comes_once_and_is_unseen_where_any_set_says_so(labels):
    known = read_choices(labels, CONTROLS).labels
    assert known.labels == KNOWN.labels
    assert dict(zip(known.labels, known.seen, strict=True)) == {
        "ant": True,
        "bee": False,
        "cat": True,
        "dog": False,
        "elk": False,
    }
    np.testing.assert_array_equal(known.vectors, KNOWN.vectors)
    np.testing.assert_array_equal(known.control_vectors, KNOWN.control_vectors)


def test_the_choices_of_each_set_are_its_unseen_its_seen_and_both(labels):
    found = read_choices(labels, CONTROLS)
    assert [(c.label_set, c.name, named(found, c.columns)) for c in found.choices] == [
        ("other", "unseen_only", ["bee"]),
        ("other", "seen_only", ["cat"]),
        ("other", "unseen_and_seen", ["bee", "cat"]),
        ("s", "unseen_only", ["bee", "dog", "elk"]),
        ("s", "seen_only", ["ant", "cat"]),
        ("s", "unseen_and_seen", ["ant", "bee", "cat", "dog", "elk"]),
    ]
    assert [named(found, c.valid) for c in found.choices[3:5]] == [
        ["ant", "bee", "cat", "dog", "elk"],
        ["ant", "cat"],
    ]


def test_a_further_choice_joins_sets_and_keeps_the_unseen_labels_that_are_listed(labels, tmp_path):
    ids = tmp_path / "ids.txt"
    ids.write_text("elk\nunicorn\nbee dog\n")  # a label may have a blank
    both = Candidates(name="both", label_sets=("s", "other"), photo_sets=("p",))
    few = Candidates(name="few", label_sets=("s",), ids=str(ids))
    found = read_choices(labels, CONTROLS, [both, few])
    joined, listed = found.choices[-2:]
    assert (joined.name, joined.label_set, joined.photo_sets) == ("both", "", ("p",))
    assert named(found, joined.columns) == ["ant", "bee", "cat", "dog", "elk"]
    assert named(found, listed.columns) == named(found, listed.valid) == ["ant", "cat", "elk"]


def test_the_seen_labels_of_other_sets_may_count_in_hierarchical_precision(labels):
    """As the 1K do for photos of the paper's zero-shot tasks."""
    alone = Candidates(name="alone", label_sets=("other",), valid_sets=("s",))
    choice = read_choices(labels, CONTROLS, [alone]).choices[-1]
    found = read_choices(labels, CONTROLS, [alone])
    assert named(found, choice.columns) == ["bee", "cat"]
    assert named(found, choice.valid) == ["ant", "bee", "cat"]


def test_a_further_choice_of_a_set_that_is_not_there_is_told(labels):
    for sets in (
        {"label_sets": ("s", "imagenet")},
        {"label_sets": ("s",), "valid_sets": ("imagenet",)},
    ):
        with pytest.raises(InputError, match=r"'all' needs the label sets imagenet, but LABELS ha"):
            read_choices(labels, CONTROLS, [Candidates(name="all", **sets)])


def test_labels_that_came_after_the_model_have_a_control_vector_too(labels):
    of_then = {name: v for name, v in CONTROLS.items() if name != "elk"}
    np.testing.assert_array_equal(
        read_choices(labels, of_then).labels.control_vectors, KNOWN.control_vectors
    )


def test_another_control_than_the_one_that_was_trained_towards_is_told(labels):
    other = CONTROLS | {"elk": -CONTROLS["elk"]}
    with pytest.raises(InputError, match=r"\(elk\): embed_labels ran with another seed since"):
        read_choices(labels, other)
