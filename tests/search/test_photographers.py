import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.search.photographers import (
    SHARPNESS,
    OwnerScores,
    exposure_share,
    rank_owners,
)

photos = st.lists(
    st.tuples(st.floats(-1, 1), st.sampled_from(["ann", "bob", "cem", None])),
    min_size=1,
    max_size=20,
)


@given(photos, st.integers(1, 4), st.floats(0, 9), st.sampled_from(["top", "mean", "log_sum_exp"]))
def test_owners_are_ranked_as_the_words_say(rows, top, shrinkage, pooling):
    scores, owners = np.array([s for s, _ in rows]), [o for _, o in rows]
    found = rank_owners(scores, owners, pooling=pooling, top=top, shrinkage=shrinkage)
    assert {each.owner for each in found} == set(owners) - {None}
    usual = sum(scores) / len(scores)
    for each in found:
        mine = sorted((s for s, o in rows if o == each.owner), reverse=True)
        if pooling == "top":
            pooled = np.mean(mine[:top])
        elif pooling == "mean":
            pooled = np.mean(mine)
        else:
            pooled = np.log(np.mean(np.exp(SHARPNESS * np.array(mine)))) / SHARPNESS
        n = len(mine)
        assert each.score == pytest.approx(usual + (pooled - usual) * n / (n + shrinkage), abs=1e-9)
        assert each.photos == n
        assert [scores[place] for place in each.best] == mine[:top]
        assert {owners[place] for place in each.best} == {each.owner}
    assert found == sorted(found, key=lambda each: (-each.score, each.owner))


def test_a_specialist_is_found_by_his_best_photos_and_one_lucky_photo_does_not_win():
    scores = np.array([0.9] * 10 + [0.0] * 90 + [0.5] * 100 + [1.0] + [0.0] * 199)
    owners = ["specialist"] * 100 + ["steady"] * 100 + ["lucky"] + ["other"] * 199
    best = {p: rank_owners(scores, owners, pooling=p, top=10)[0].owner for p in ("top", "mean")}
    assert best == {"top": "specialist", "mean": "steady"}
    assert rank_owners(scores, owners, pooling="mean", shrinkage=0)[0].owner == "lucky"


def test_what_cannot_be_ranked_is_refused():
    for values in ({"top": 0}, {"shrinkage": -1.0}):
        with pytest.raises(InputError, match="top >= 1"):
            rank_owners(np.zeros(1), ["ann"], **values)
    with pytest.raises(InputError, match="each of 2 owners"):
        rank_owners(np.zeros(1), ["ann", "bob"])


def test_exposure_is_the_part_of_those_who_are_shown_most():
    shown = [["ann", "bob"], ["ann", "cem"], ["ann", "dan"]]
    assert exposure_share(shown, owners=100) == 0.5  # one of 100 owners has 3 of 6 places
    assert exposure_share(shown, owners=200) == pytest.approx(4 / 6)
    with pytest.raises(InputError, match="at least one recommended"):
        exposure_share([[]], 10)


@given(
    st.lists(st.lists(st.floats(-1, 1), min_size=2, max_size=2), min_size=1, max_size=12),
    st.lists(st.integers(1, 11), max_size=4),
    st.integers(1, 4),
    st.sampled_from(["top", "mean", "log_sum_exp"]),
)
def test_blocks_of_photos_give_what_all_photos_at_once_give(rows, cuts, top, pooling):
    """Two assignments beside each other are as each of them alone."""
    scores = np.array(rows).T  # (2, photos)
    found = OwnerScores(2, top)
    for places in np.split(np.arange(len(rows)), sorted({c for c in cuts if c < len(rows)})):
        found.add(scores[:, places], places)
    usual = np.array([0.1, -0.2])
    for each in range(2):
        whole = OwnerScores(1, top)
        whole.add(scores[each : each + 1], np.arange(len(rows)))
        assert found.score(pooling, usual, 3.0)[each] == pytest.approx(
            whole.score(pooling, usual[each], 3.0)[0], abs=1e-9
        )
        best = sorted(range(len(rows)), key=lambda place: (-scores[each, place], place))[:top]
        assert found.best[each].tolist() == whole.best[0].tolist() == best
        assert found.best_scores[each].tolist() == scores[each, best].tolist()
    assert found.photos == len(rows)
