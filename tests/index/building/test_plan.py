import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.index.building.plan import (
    GIB,
    PROCESS_BYTES,
    BuildPlan,
    Memory,
    centroids_name,
    part_name,
    shard_count,
    shard_name,
    unfinished,
)
from devise_lib.index.building.training import train_index
from devise_lib.index.factory import IndexKey
from tests.embedded import clustered
from tests.index.built import plan_in

BIG = 10**9
KEYS = st.sampled_from(("IVF64,SQ8", "IVF65536_HNSW32,PQ32x4fsr", "OPQ8_64,IVF4096,PQ8,RFlat"))


@pytest.mark.parametrize(
    ("nlist", "points", "most", "parts", "seeds", "lists"),
    [
        (1, 64, BIG, 1, 65_536, 64),
        (1_000, 64, BIG, 1, 65_536, 64_000),
        (4_000, 64, BIG, 1, 256_000, 256_000),  # all lists are trained on the first sample
        (4_096, 64, BIG, 64, 65_536, 262_144),
        (65_536, 64, BIG, 256, 65_536, 4_194_304),
        (262_144, 39, BIG, 512, 131_072, 10_223_616),
        (1_000, 64, 63_999, 31, 63_999, 64_000),  # the sample is too large for one task
        (1_000, 64, 64_000, 1, 64_000, 64_000),
        (2, 64, 100, 1, 100, 128),
        (65_536, 64, 1_000, 256, 1_000, 4_194_304),
    ],
)
def test_samples_and_parts_of_the_space(nlist, points, most, parts, seeds, lists):
    plan = plan_in("/b", f"IVF{nlist},SQ8", points_per_list=points, sample_rows=most)
    assert (plan.space_parts, plan.seed_points, plan.list_points) == (parts, seeds, lists)


def test_the_digest_depends_on_all_but_the_folder():
    plan = plan_in("/b")
    assert plan_in("/elsewhere").digest == plan.digest
    changes = {"seed": 1, "key": "IVF8,SQ8", "rows": 401, "table_version": 4, "segment": "delta"}
    digests = {replace(plan, **{name: value}).digest for name, value in changes.items()}
    assert len(digests | {plan.digest}) == len(changes) + 1


def test_steps_have_names_of_their_own():
    names = [f(number) for f in (shard_name, part_name, centroids_name) for number in (0, 7)]
    assert len(set(names)) == 6
    assert shard_name(2) < shard_name(10)


def test_a_written_plan_is_read_wherever_its_folder_is(tmp_path):
    plan = plan_in(tmp_path / "a", "OPQ8_16,IVF8,PQ8", asked={"k": 5, "index_key": "auto"})
    plan.write()
    assert BuildPlan.read(plan.folder) == plan
    (tmp_path / "a").rename(tmp_path / "b")
    assert BuildPlan.read(str(tmp_path / "b")) == replace(plan, folder=str(tmp_path / "b"))
    assert BuildPlan.read(str(tmp_path / "a")) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"folder": "x", "unknown": 1}'])
def test_what_is_no_plan_counts_as_none(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    assert BuildPlan.read(str(tmp_path)) is None


def test_a_plan_lacking_a_setting_counts_as_none(tmp_path):
    plan_in(tmp_path).write()
    values = json.loads((tmp_path / "plan.json").read_text())
    del values["seed"]
    (tmp_path / "plan.json").write_text(json.dumps(values))
    assert BuildPlan.read(str(tmp_path)) is None


def test_a_killed_build_of_the_same_settings_is_found_and_no_other(tmp_path):
    asked = [{"k": 5, "budget": 0.5, "version": None}, {"k": 6, "budget": 0.5, "version": None}]
    plans = [plan_in(tmp_path / str(each["k"]), asked=each) for each in asked]
    for plan in plans:
        plan.write()
    (tmp_path / "garbage").mkdir()
    (tmp_path / "garbage" / "plan.json").write_text("{")
    folders = [str(path) for path in (tmp_path / "none", tmp_path / "garbage")]
    folders += [plan.folder for plan in plans]
    assert unfinished(folders, asked[1]) == plans[1]
    assert unfinished(folders, {"k": 7}) is None
    assert unfinished([], asked[0]) is None


@given(st.integers(0, 10**12), st.integers(1, 10**8), st.integers(1, 10_000))
def test_shards_are_a_power_of_two_and_as_few_as_allowed(rows, most, least):
    count = shard_count(rows, most, least)
    assert count == 1 << (count.bit_length() - 1)
    bound = 1 << 15
    assert count <= bound
    assert count == bound or (count * most >= rows and count >= least)
    assert count == 1 or (count // 2) * most < rows or count // 2 < least


@given(KEYS, st.sampled_from((64, 512, 1_024)), st.floats(2.1, 64))
def test_what_a_task_takes_fits_into_its_memory(key, dimension, gib):
    index_key, most = IndexKey.parse(key), int(gib * GIB)
    found = Memory.within(most, index_key, dimension)
    centroids = index_key.nlist * dimension * 4
    for taken in (
        found.shard_rows * 2 * index_key.bytes_per_vector(dimension),
        found.part_bytes * 2,
        found.sample_rows * dimension * 4 * 2,
    ):
        assert 0 < taken + centroids + PROCESS_BYTES <= most


@given(KEYS, st.sampled_from((64, 512, 1_024)))
def test_more_memory_allows_more_of_everything(key, dimension):
    index_key = IndexKey.parse(key)
    low, high = (Memory.within(gib * GIB, index_key, dimension) for gib in (2, 4))
    assert low.sample_rows < high.sample_rows
    assert low.shard_rows <= high.shard_rows <= 2**18  # A kill costs no more.
    assert low.part_bytes <= high.part_bytes <= 2**28  # A larger part makes nothing faster.


def test_too_little_memory_names_what_is_needed_and_that_suffices():
    key = IndexKey.parse("IVF262144_HNSW32,PQ32x4fsr")
    with pytest.raises(InputError, match=r"max_memory_gib is 1\.0, but 262,144 .* need (\d)") as e:
        Memory.within(GIB, key, 512)
    needed = float(str(e.value).partition(" need ")[2].partition(":")[0])
    assert Memory.within(int(needed * GIB), key, 512).shard_rows > 0
    with pytest.raises(InputError):
        Memory.within(int((needed - 0.1) * GIB) - 1, key, 512)


def test_a_plan_has_the_parts_of_its_key():
    assert plan_in("/b", "OPQ8_16,IVF32_HNSW16,PQ8").index_key == IndexKey(
        ("OPQ8_16",), 32, 16, "PQ8", ""
    )


def test_a_finished_step_is_found_until_its_plan_or_file_changes(tmp_path):
    plan = plan_in(tmp_path)
    assert plan.done("trained") is None
    index = train_index(plan.index_key, clustered(50), 0)
    with (tmp_path / "trained.npz").open("wb") as file:
        index.save(file)
    plan.finish("trained", {}, {"a": 1})
    found = plan.done("trained")
    assert found is not None
    assert found.values == {"a": 1}
    assert replace(plan, seed=9).done("trained") is None
    Path(plan.path("trained.json")).unlink()
    assert plan.done("trained") is None
