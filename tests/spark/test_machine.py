import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.spark import machine
from devise_lib.spark.machine import (
    GIB,
    driver_memory_bytes,
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
    assert driver_memory_bytes(available, cores) == min(8 * GIB, max(GIB, int(available * 0.25)))


def test_the_users_own_size_is_taken_where_the_machine_holds_it():
    assert driver_memory_bytes(8 * GIB, 2, "6g") == 6 * GIB
    with pytest.raises(InputError) as raised:
        driver_memory_bytes(8 * GIB, 2, "7g")
    assert "8.0 GiB are free, and a local run wants 9.0 GiB (7.0 for Spark's driver" in str(
        raised.value
    )


def test_more_python_workers_than_the_machine_holds_are_refused():
    assert driver_memory_bytes(4 * GIB, 3) == GIB
    with pytest.raises(InputError, match=r"too little memory: .* each of 4 Python workers.*fewer"):
        driver_memory_bytes(4 * GIB, 4)


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_container_has_its_limit_less_what_it_uses_and_cannot_give_back(tmp_path):
    stat = "anon 5\ninactive_file 1000\nactive_file 7\n"
    write(tmp_path, memory_dot_max="5000\n", memory_dot_current="4200\n", memory_dot_stat=stat)
    assert machine._cgroup_available(tmp_path) == [5000 - (4200 - 1000)]


def test_a_container_of_the_first_version_is_read_too(tmp_path):
    write(
        tmp_path,
        memory__memory_dot_limit_in_bytes="5000\n",
        memory__memory_dot_usage_in_bytes="3000\n",
        memory__memory_dot_stat="inactive_file 1\ntotal_inactive_file 500\n",
    )
    assert machine._cgroup_available(tmp_path) == [5000 - (3000 - 1)]


@pytest.mark.parametrize("limit", ["max\n", f"{2**63 - 4096}\n"])
def test_a_container_without_a_limit_says_nothing(tmp_path, limit):
    write(tmp_path, memory_dot_max=limit, memory_dot_current="3\n")
    assert machine._cgroup_available(tmp_path) == []


def test_without_a_container_the_kernels_word_counts(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable:    2048 kB\n")
    assert machine._proc_available(meminfo) == 2048 * 1024
    assert machine._cgroup_available(tmp_path) == []
    assert machine._proc_available(tmp_path / "none") > 2**20  # another kernel: all there is


def test_the_least_of_all_limits_counts(monkeypatch):
    monkeypatch.setattr(machine, "_proc_available", lambda _: 5000)
    monkeypatch.setattr(machine, "_cgroup_available", lambda _: [7000, 4000])
    unlimited = resource.RLIM_INFINITY
    monkeypatch.setattr(machine.resource, "getrlimit", lambda _: (unlimited, unlimited))
    assert memory_available_bytes() == 4000
    monkeypatch.setattr(machine.resource, "getrlimit", lambda _: (3000, unlimited))
    assert memory_available_bytes() == 3000
