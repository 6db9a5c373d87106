import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.spark.platform import resources
from devise_lib.spark.platform.resources import (
    GIB,
    fit_local,
    memory_available_bytes,
    parse_memory,
)


@given(st.integers(0, 10**6), st.sampled_from(["", "k", "m", "g", "t"]), st.booleans())
def test_sizes_are_read_as_spark_writes_them(number, unit, upper):
    power = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}[unit]
    text = f" {number}{unit.upper() if upper else unit} "
    assert parse_memory(text) == number * 1024**power
    assert parse_memory(f"{number}{unit}b") == number * 1024**power


@pytest.mark.parametrize("text", ["", "g", "1.5g", "two", "-1g", "1gg"])
def test_what_is_no_size_is_told(text):
    with pytest.raises(InputError, match=f"spark.driver.memory is '{text}', want a size such as"):
        parse_memory(text)


@given(st.integers(4 * GIB, 400 * GIB), st.integers(1, 3))
def test_the_driver_gets_a_quarter_of_what_is_free_from_1_to_8_gib(available, cores):
    fit = fit_local(f"local[{cores}]", available, 64)
    assert fit.driver_bytes == min(8 * GIB, max(GIB, int(available * 0.25)))
    assert (fit.master, fit.message) == (f"local[{cores}]", "")


def test_the_users_own_size_is_taken_where_the_machine_holds_it():
    assert fit_local("local[2]", 8 * GIB, 16, "6g").driver_bytes == 6 * GIB
    with pytest.raises(InputError) as raised:
        fit_local("local[2]", 8 * GIB, 16, "7g")
    assert "8.0 GiB are free, and a local run needs 9.0 GiB (7.0 for Spark's driver" in str(
        raised.value
    )


@pytest.mark.parametrize(
    ("free", "cores", "used"),
    [(14, 16, 10), (28, 32, 21), (24, 24, 18), (60, 64, 52), (7, 8, 5), (8, 16, 6), (2, 16, 1)],
)
def test_a_machine_of_many_cores_and_less_memory_uses_fewer_cores_and_says_so(free, cores, used):
    """A default that a usual machine cannot hold is made to fit it; it is not the user's fault."""
    fit = fit_local("local[*]", free * GIB, cores)
    assert fit.master == f"local[{used}]"
    assert fit.driver_bytes + used * GIB <= free * GIB
    assert fit.message.startswith(
        f"{used} of {cores} cores are used: {free}.0 GiB of memory are free"
    )
    assert fit_local("local[*,4]", free * GIB, cores).master == f"local[{used},4]"


@given(st.integers(2 * GIB, 400 * GIB), st.integers(1, 128))
def test_all_cores_of_a_machine_never_want_more_than_it_has(available, cores):
    fit = fit_local("local[*]", available, cores)
    used = cores if fit.master == "local[*]" else int(fit.master[6:-1])
    assert 1 <= used <= cores
    assert (fit.message == "") == (used == cores)
    assert fit.driver_bytes + used * GIB <= available


def test_as_many_cores_as_the_user_asked_for_are_never_fewer():
    assert fit_local("local[3]", 4 * GIB, 2).driver_bytes == GIB
    with pytest.raises(InputError, match=r"too little memory: .* each of 4 Python workers.*fewer"):
        fit_local("local[4]", 4 * GIB, 16)
    with pytest.raises(InputError, match=r"needs 2\.0 GiB .* each of 1 Python workers"):
        fit_local("local[*]", 1 * GIB, 16)  # not even one core


@pytest.mark.parametrize(
    ("master", "cores"),
    [
        ("local", 1),
        ("local[3]", 3),
        ("local[*]", 12),
        ("local[*,4]", 12),
        ("local[ * , 4 ]", 12),
        ("local[2,4]", 2),
        ("local[2, 14]", 2),
        ("local-cluster[2,3,1024]", 6 + 2),  # and the memory of its executors
    ],
)
def test_a_local_master_says_how_many_tasks_run_at_once(master, cores):
    """Every form of a master that Spark takes is read as Spark reads it."""
    enough = (1 + cores) * GIB
    assert fit_local(master, enough, 12, "1g").master == master
    if "*" not in master:
        with pytest.raises(InputError, match="too little memory"):
            fit_local(master, enough - 1, 12, "1g")


@pytest.mark.parametrize("master", ["local[two]", "local[0]", "local[2", "localhost", "local[-1]"])
def test_what_is_no_local_master_is_told(master):
    with pytest.raises(InputError, match=r"spark.master is 'local.*, want local\[N\]"):
        fit_local(master, 8 * GIB, 4)


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_container_has_its_limit_less_what_it_uses_and_cannot_give_back(tmp_path):
    stat = "anon 5\ninactive_file 1000\nactive_file 7\n"
    write(tmp_path, memory_dot_max="5000\n", memory_dot_current="4200\n", memory_dot_stat=stat)
    assert resources._cgroup_available(tmp_path) == [5000 - (4200 - 1000)]


def test_a_container_of_the_first_version_is_read_too(tmp_path):
    write(
        tmp_path,
        memory__memory_dot_limit_in_bytes="5000\n",
        memory__memory_dot_usage_in_bytes="3000\n",
        memory__memory_dot_stat="inactive_file 1\ntotal_inactive_file 500\n",
    )
    assert resources._cgroup_available(tmp_path) == [5000 - (3000 - 500)]


@pytest.mark.parametrize(
    ("line", "folder", "limit", "used"),
    [
        ("0::/batch/demo", "batch", "memory.max", "memory.current"),
        (
            "4:cpu,memory:/batch/demo",
            "memory/batch",
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
        ),
    ],
)
def test_a_group_below_the_root_and_those_around_it_count(tmp_path, line, folder, limit, used):
    """A limit counts wherever it is set: systemd-run and batch systems make no container."""
    for group, values in ((f"{folder}/demo", ("5000", "1000")), (folder, ("9000", "6000"))):
        (tmp_path / group).mkdir(parents=True, exist_ok=True)
        for name, value in zip((limit, used), values, strict=True):
            (tmp_path / group / name).write_text(f"{value}\n")
    assert sorted(resources._cgroup_available(tmp_path, f"9:pids:/x\n{line}\n")) == [3000, 4000]
    assert resources._cgroup_available(tmp_path, "0::/../elsewhere\n") == []


def test_cores_are_counted_as_java_does_by_affinity_and_quota(tmp_path, monkeypatch):
    write(tmp_path, jobs__cpu_dot_max="150000 100000\n", cpu_dot_max="max 100000\n")
    assert resources._cgroup_quotas(tmp_path, "0::/jobs\n") == [1.5]
    first = {"cpu__cpu_dot_cfs_quota_us": "-1\n", "cpu__cpu_dot_cfs_period_us": "100000\n"}
    write(tmp_path, **first, cpu__a__cpu_dot_cfs_quota_us="400000\n")
    write(tmp_path, cpu__a__cpu_dot_cfs_period_us="100000\n")
    assert resources._cgroup_quotas(tmp_path, "1:cpu,cpuacct:/a\n") == [4.0]
    monkeypatch.setattr(resources, "_cgroup_quotas", lambda *_: [4.5, 2.2])
    for mine, wanted in ((range(16), 3), (range(2), 2)):
        monkeypatch.setattr(resources.os, "sched_getaffinity", lambda _, mine=mine: set(mine))
        assert resources.cores_available() == wanted


@pytest.mark.parametrize("limit", ["max\n", f"{2**63 - 4096}\n"])
def test_a_container_without_a_limit_says_nothing(tmp_path, limit):
    write(tmp_path, memory_dot_max=limit, memory_dot_current="3\n")
    assert resources._cgroup_available(tmp_path) == []


def test_without_a_container_the_kernels_word_counts(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable:    2048 kB\n")
    assert resources._proc_available(meminfo) == 2048 * 1024
    assert resources._cgroup_available(tmp_path) == []
    assert resources._proc_available(tmp_path / "none") > 2**20  # another kernel: all there is


def test_the_least_of_all_limits_counts(monkeypatch):
    monkeypatch.setattr(resources, "_proc_available", lambda _: 5000)
    monkeypatch.setattr(resources, "_cgroup_available", lambda *_: [7000, 4000])
    unlimited = resource.RLIM_INFINITY
    monkeypatch.setattr(resources.resource, "getrlimit", lambda _: (unlimited, unlimited))
    assert memory_available_bytes() == 4000
    monkeypatch.setattr(resources.resource, "getrlimit", lambda _: (3000, unlimited))
    assert memory_available_bytes() == 3000
