import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.index.size import MIN_POINTS_PER_LIST, choose_nlist

sizes = st.integers(1, 10**10)


@pytest.mark.parametrize(
    ("n", "nlist"),
    [
        (10_000, 400),
        (999_999, 3_999),
        (1_000_000, 65_536),
        (9_999_999, 65_536),
        (10_000_000, 262_144),
        (100_000_000, 1_048_576),
    ],
)
def test_lists_follow_the_number_of_vectors_when_all_can_train(n, nlist):
    assert choose_nlist(n, 10**9) == nlist


@given(sizes, sizes)
def test_each_list_has_enough_training_vectors_unless_it_is_the_only_one(n, n_train):
    nlist = choose_nlist(n, n_train)
    assert nlist >= 1
    assert nlist == 1 or nlist * MIN_POINTS_PER_LIST <= n_train


@given(sizes, sizes, sizes)
def test_more_vectors_never_get_fewer_lists(n, more, n_train):
    assert choose_nlist(n, n_train) <= choose_nlist(n + more, n_train)


@pytest.mark.parametrize("n", [1, 38])
def test_few_vectors_get_one_list(n):
    assert choose_nlist(n, n) == 1


def test_nothing_to_train_on_is_refused():
    with pytest.raises(ValueError, match="at least one vector"):
        choose_nlist(5, 0)
