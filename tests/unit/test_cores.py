"""What of the machine is ours."""

from __future__ import annotations

import os

import pytest

from gounmal import cores
from gounmal.cores import MAX_WORKERS, WORKER_BYTES, fitting_workers, usable_cores

PLENTY = 1 << 40


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Makes one: cores by affinity, and files of control groups."""

    def make(allowed, groups="0::/\n", **files):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(allowed)))
        monkeypatch.setattr(cores, "CGROUPS", tmp_path)
        monkeypatch.setattr(cores, "OWN", tmp_path / "own")
        (tmp_path / "own").write_text(groups)
        for name, content in files.items():
            path = tmp_path / name.replace("__", "/").replace("_of_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    return make


def test_without_limits_all_that_affinity_allows(machine):
    machine(3, cpu_of_max="max 100000\n", memory_of_max="max\n")
    assert (usable_cores(), fitting_workers()) == (3, 3)


@pytest.mark.parametrize(
    ("quota", "usable", "workers"),
    [("50000", 1, 1), ("100000", 1, 1), ("150000", 2, 1), ("250000", 3, 2), ("9900000", 4, 4)],
)
def test_a_part_of_a_core_can_be_used_but_is_no_place_for_a_worker(machine, quota, usable, workers):
    machine(4, cpu_of_max=f"{quota} 100000\n")
    assert (usable_cores(), fitting_workers()) == (usable, workers)


def test_the_tightest_of_all_groups_above_counts(machine):
    machine(
        8,
        "0::/slice/unit\n",
        slice__cpu_of_max="200000 100000\n",
        slice__unit__cpu_of_max="500000 100000\n",
    )
    assert usable_cores() == 2


def test_of_version_1_as_well(machine, tmp_path):
    machine(
        8,
        "4:memory:/\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n",
        cpu__x="",
        memory__x="",
    )
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("300000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert fitting_workers() == 3
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert fitting_workers() == 8
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text(f"{2 * WORKER_BYTES}\n")
    assert fitting_workers() == 2


@pytest.mark.parametrize(("memory", "workers"), [(1, 1), (1 << 30, 2), (PLENTY, MAX_WORKERS)])
def test_there_are_no_more_workers_than_memory_for_them(machine, memory, workers):
    machine(64, memory_of_max=f"{memory}\n")
    assert fitting_workers() == workers


def test_something_else_gets_a_core_where_there_are_two(machine):
    machine(4)
    assert fitting_workers(beside=1) == 3
    machine(1)
    assert fitting_workers(beside=1) == 1


def test_where_there_are_no_control_groups_it_is_the_affinity(machine, tmp_path):
    machine(2)
    (tmp_path / "own").unlink()
    assert (usable_cores(), fitting_workers()) == (2, 2)


def test_without_affinity_it_is_all_cores(machine, monkeypatch):
    machine(1)
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert usable_cores() == 5


def test_here_it_is_no_more_than_there_is():
    assert 1 <= fitting_workers() <= usable_cores() <= (os.cpu_count() or 1)
